// JSON as XML: members are elements, a list repeats its element, null is an empty one.
import { isObject } from '_lib/values';

const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };

const escaped = (value) => String(value).replace(/[&<>"']/g, (sign) => ESCAPES[sign])
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, '');

// Names of JSON may hold what names of XML may not.
const nameOf = (key) => String(key).replace(/[^\p{L}\p{N}_.-]/gu, '_').replace(/^(?![\p{L}_])/u, '_');

function element(key, value) {
    if (Array.isArray(value)) {
        return value.map((item) => element(key, item)).join('');
    }
    const name = nameOf(key);
    return `<${name}>${isObject(value) ? members(value) : escaped(value ?? '')}</${name}>`;
}

const members = (object) => Object.entries(object).map(([key, value]) => element(key, value)).join('');

export const xml = (root, value) => `<?xml version="1.0" encoding="UTF-8"?>${element(root, value)}`;
