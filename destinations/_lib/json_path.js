// The paths of mapping settings: $.a.b, $.a[0], $.a[*].b, $['a b'], $.'a b'. A star is each element of an array.
const STEP = /\[(?:(\d+)|(\*)|'([^']*)'|"([^"]*)")\]|\.?(?:'([^']*)'|"([^"]*)"|([^.[\]]+))/g;
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype']);
const EACH = Symbol('each');
const MOST = 1000; // elements: an index in a path must not make the array that it names at any size

// Steps: names, indexes, EACH; undefined = no path.
export function parsePath(text) {
    const path = String(text ?? '').trim();
    const steps = [...path.replace(/^\$\.?/, '').matchAll(STEP)].map(([, index, star, ...names]) => {
        const name = names.find((each) => each !== undefined);
        return index !== undefined ? Number(index) : star || names.at(-1) === '*' ? EACH : name;
    });
    const wrong = (step) => FORBIDDEN.has(step) || (typeof step === 'number' && step > MOST);
    return path.startsWith('$') && steps.length > 0 && !steps.some(wrong) ? steps : undefined;
}

// What is there; a star gives an array, with holes as undefined.
export function readPath(value, steps, at = 0) {
    if (at === steps.length || value === undefined || value === null) {
        return value ?? undefined;
    }
    const step = steps[at];
    if (step === EACH) {
        return Array.isArray(value) ? value.map((item) => readPath(item, steps, at + 1)) : undefined;
    }
    return typeof value === 'object' && Object.hasOwn(value, step) ? readPath(value[step], steps, at + 1) : undefined;
}

// What goes to each element of what others make: it is written after them.
export const goesToEach = (steps, value) => steps.includes(EACH) && !Array.isArray(value);

const containerFor = (step) => (typeof step === 'number' || step === EACH ? [] : {});

// Elements go one by one where the path has a star; any other value goes to all elements that are there, or makes one.
function writeEach(list, steps, at, value) {
    const values = Array.isArray(value) ? value : list.length > 0 ? list.map(() => value) : [value];
    values.forEach((item, i) => {
        if (at + 1 === steps.length) {
            list[i] = item;
        } else if (item !== undefined || list[i] === undefined) {
            list[i] ??= containerFor(steps[at + 1]);
            writePath(list[i], steps, item, at + 1);
        }
    });
}

// Makes what is missing on the way. undefined writes nothing.
export function writePath(target, steps, value, at = 0) {
    const step = steps[at];
    if (value === undefined || typeof target !== 'object' || target === null) {
        return;
    }
    if (step === EACH) {
        if (Array.isArray(target)) {
            writeEach(target, steps, at, value);
        }
        return;
    }
    if (at + 1 === steps.length) {
        target[step] = value;
        return;
    }
    target[step] ??= containerFor(steps[at + 1]);
    writePath(target[step], steps, value, at + 1);
}
