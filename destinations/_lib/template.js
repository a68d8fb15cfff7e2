// Handlebars templates, the part that settings of destinations use (https://handlebarsjs.com/guide/):
// {{path}} escaped, {{{path}}} and {{&path}} not; {{[a segment]}}; {{! comment}}; {{~ and ~}};
// blocks #if #unless #each #with with {{else}}, ../, this, @key, @index; helpers are values by name.
// Partials, decorators and helpers with arguments are not there: they are refused.
import { Dead } from 'sluice';
import { isEmpty } from '_lib/values';

const TAG = /\{\{(~)?(\{[\s\S]*?\}|!--[\s\S]*?--|[\s\S]*?)(~)?\}\}/g;
const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#x27;', '`': '&#x60;', '=': '&#x3D;' };
const STEP = /\[([^\]]*)\]|([^./[\]]+)/g;
const INHERITED = new Set(['__proto__', 'constructor', 'prototype']);

const escaped = (text) => text.replace(/[&<>"'`=]/g, (sign) => ESCAPES[sign]);

const print = (value) => (value === undefined || value === null || value === false ? '' : String(value));

function steps(path) {
    return [...path.matchAll(STEP)].map(([, literal, name]) => literal ?? name);
}

// A path as it is written: how many scopes up, and the names from there
function parsePath(text) {
    const ups = text.match(/^(\.\.\/)*/)[0].length / 3;
    const rest = text.slice(ups * 3).replace(/^(\.\/|this[./]|this$|\.$|\.\.$)/, '');
    return { ups: text.endsWith('..') ? ups + 1 : ups, names: steps(rest) };
}

function own(value, name) {
    const has = typeof value === 'object' && value !== null && Object.hasOwn(value, name) && !INHERITED.has(name);
    return has ? value[name] : undefined;
}

function find({ ups, names }, scopes) {
    const scope = scopes[scopes.length - 1 - ups];
    if (!scope) {
        return undefined;
    }
    return names[0]?.startsWith('@') ? scope.data[names[0].slice(1)] : names.reduce(own, scope.value);
}

function openBlock(tag, stack) {
    const [, word, argument] = tag.match(/^#(\w+)\s+(\S+)$/) ?? [];
    if (!BLOCKS[word]) {
        throw new Dead(`the template has a block that is not known: {{${tag}}}`);
    }
    const block = { block: word, path: parsePath(argument), body: [], otherwise: [] };
    stack.at(-1).into.push(block);
    stack.push({ word, block, into: block.body });
}

function closeBlock(tag, stack) {
    if (stack.length < 2 || stack.at(-1).word !== tag.slice(1).trim()) {
        throw new Dead(`the template closes what it did not open: {{${tag}}}`);
    }
    stack.pop();
}

function value(tag, stack) {
    const raw = tag.startsWith('{') || tag.startsWith('&');
    const path = raw ? tag.replace(/^[{&]|\}$/g, '').trim() : tag;
    if (path === '' || /^[>*#]/.test(path) || /\s/.test(path.replace(/\[[^\]]*\]/g, ''))) {
        throw new Dead(`the template has a tag that is not known: {{${tag}}}`);
    }
    stack.at(-1).into.push({ path: parsePath(path), raw });
}

function addTag(tag, stack) {
    if (tag.startsWith('!')) {
        return;
    }
    if (tag.startsWith('#')) {
        openBlock(tag, stack);
    } else if (tag.startsWith('/')) {
        closeBlock(tag, stack);
    } else if ((tag === 'else' || tag === '^') && stack.length > 1) {
        stack.at(-1).into = stack.at(-1).block.otherwise;
    } else {
        value(tag, stack);
    }
}

function parse(text) {
    const root = [];
    const stack = [{ into: root }];
    let from = 0;
    let trim = false;
    const addText = (end, trimEnd) => {
        let part = text.slice(from, end);
        part = trim ? part.trimStart() : part;
        stack.at(-1).into.push(trimEnd ? part.trimEnd() : part);
    };
    for (const match of text.matchAll(TAG)) {
        addText(match.index, match[1] === '~');
        from = match.index + match[0].length;
        trim = match[3] === '~';
        if (match[2].startsWith('{') && text[from] === '}') {
            from += 1;
        }
        addTag(match[2].trim(), stack);
    }
    addText(text.length, false);
    if (stack.length > 1) {
        throw new Dead(`the template does not close {{#${stack.at(-1).word}}}`);
    }
    return root;
}

const holds = (found) => (Array.isArray(found) ? found.length > 0 : Boolean(found));

function eachOf(node, found, scopes) {
    if (typeof found !== 'object' || isEmpty(found)) {
        return write(node.otherwise, scopes);
    }
    const entries = Object.entries(found);
    return entries.map(([key, item], index) => {
        const data = { key, index, first: index === 0, last: index + 1 === entries.length };
        return write(node.body, [...scopes, { value: item, data }]);
    }).join('');
}

const BLOCKS = {
    if: (node, found, scopes) => write(holds(found) ? node.body : node.otherwise, scopes),
    unless: (node, found, scopes) => write(holds(found) ? node.otherwise : node.body, scopes),
    each: eachOf,
    with: (node, found, scopes) => (holds(found)
        ? write(node.body, [...scopes, { value: found, data: {} }]) : write(node.otherwise, scopes)),
};

function write(nodes, scopes) {
    return nodes.map((node) => {
        if (typeof node === 'string') {
            return node;
        }
        const found = find(node.path, scopes);
        if (node.block) {
            return BLOCKS[node.block](node, found, scopes);
        }
        return node.raw ? print(found) : escaped(print(found));
    }).join('');
}

// `values` is what paths begin in.
export const template = (text, values) => write(parse(text), [{ value: values, data: {} }]);
