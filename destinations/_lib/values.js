// Values: what destinations do to JSON again and again. Pure; nothing here knows of events.

const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype']);

export const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

// undefined, null, '', [] and {}: nothing that a vendor could use
export function isEmpty(value) {
    if (value === undefined || value === null || value === '') {
        return true;
    }
    return typeof value === 'object' && Object.keys(value).length === 0;
}

// `path` is dotted; a step of digits indexes an array; a key that holds dots itself is found too.
export function get(value, path) {
    if (!path.includes('.')) {
        return value?.[path];
    }
    const steps = path.split('.');
    let at = value;
    for (let i = 0; i < steps.length; i++) {
        if (typeof at !== 'object' || at === null) {
            return undefined;
        }
        let key = steps[i];
        while (!(key in at) && i + 1 < steps.length) {
            i += 1;
            key += `.${steps[i]}`;
        }
        at = at[key];
    }
    return at;
}

// Makes what is missing on the way; a step of digits makes an array.
export function set(object, path, value) {
    const steps = path.split('.');
    if (steps.some((step) => FORBIDDEN.has(step))) {
        return object;
    }
    let at = object;
    for (let i = 0; i + 1 < steps.length; i++) {
        if (typeof at[steps[i]] !== 'object' || at[steps[i]] === null) {
            at[steps[i]] = /^\d+$/.test(steps[i + 1]) ? [] : {};
        }
        at = at[steps[i]];
    }
    at[steps.at(-1)] = value;
    return object;
}

// The first of the paths that holds something: 0 and false are something, '' and null are not.
export function first(value, paths) {
    for (const path of paths) {
        const found = get(value, path);
        if (found || found === 0 || found === false) {
            return found;
        }
    }
    return undefined;
}

// The same JSON; the order of members is no difference.
export function equal(a, b) {
    if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
        return a === b;
    }
    const keys = Object.keys(a);
    return Array.isArray(a) === Array.isArray(b) && keys.length === Object.keys(b).length
        && keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key]));
}

export function copy(value) {
    return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

const keep = (object, wanted) => Object.fromEntries(Object.entries(object).filter(([key, value]) => wanted(value, key)));

export const withoutUndefined = (object) => keep(object, (value) => value !== undefined);
export const withoutNull = (object) => keep(object, (value) => value !== undefined && value !== null);
export const withoutEmpty = (object) => keep(object, (value) => !isEmpty(value));
export const without = (object, keys) => keep(object, (_, key) => !keys.includes(key));
export const only = (object, keys) => keep(object, (_, key) => keys.includes(key));

// null and undefined left out at every depth; arrays keep their length but for them
export function compact(value) {
    if (Array.isArray(value)) {
        return value.filter((item) => item !== undefined && item !== null).map(compact);
    }
    if (!isObject(value)) {
        return value;
    }
    return Object.fromEntries(Object.entries(withoutNull(value)).map(([key, item]) => [key, compact(item)]));
}

const isPlainList = (value) => Array.isArray(value) && value.every((item) => typeof item !== 'object' || item === null);

// {a: {b: [1]}} as {'a.b[0]': 1}; strict: 'a.b.0'; lists: arrays of plain values stay; empty objects and arrays stay as values
export function flatten(value, { separator = '.', strict = false, lists = false } = {}) {
    const out = {};
    const walk = (item, path) => {
        if (typeof item !== 'object' || item === null || isEmpty(item) || (lists && isPlainList(item))) {
            out[path] = item;
            return;
        }
        for (const [key, each] of Object.entries(item)) {
            const step = Array.isArray(item) && !strict ? `[${key}]` : key;
            const glue = path === '' || (Array.isArray(item) && !strict) ? '' : separator;
            walk(each, `${path}${glue}${step}`);
        }
    };
    if (!isEmpty(value)) {
        walk(value, '');
    }
    return out;
}

// [{from, to}] as a Map-like object; keys lower-cased unless told otherwise
export function pairs(list, { lower = true } = {}) {
    const out = {};
    for (const { from, to } of list ?? []) {
        if (!isEmpty(from) && !isEmpty(to)) {
            out[lower ? String(from).toLowerCase() : from] = to;
        }
    }
    return out;
}

export function chunk(list, size) {
    const out = [];
    for (let i = 0; i < list.length; i += size) {
        out.push(list.slice(i, i + size));
    }
    return out;
}

export function groupBy(list, keyOf) {
    const out = new Map();
    for (const item of list) {
        const key = keyOf(item);
        if (!out.has(key)) {
            out.set(key, []);
        }
        out.get(key).push(item);
    }
    return out;
}

// As JavaScript's Number, but nothing from what is no number.
export function number(value) {
    if (value === undefined || value === null || value === '' || typeof value === 'object') {
        return undefined;
    }
    const n = Number(value);
    return Number.isNaN(n) ? undefined : n;
}

export const titleCase = (text) => text.replace(/\S+/g, (word) => word[0].toUpperCase() + word.slice(1).toLowerCase());
