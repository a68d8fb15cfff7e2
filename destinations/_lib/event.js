// Events: where senders put things, and in which order they are looked for.
import { generic } from 'sluice';
import { first, get, isObject } from '_lib/values';

const APPLE = new Set(['ios', 'watchos', 'ipados', 'tvos', 'visionos']);
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype']);

// A field by its generic name (traits, email, userId, timestamp …): the same paths as "@name" in tables.
export const field = (message, name) => first(message, generic[name]);

export const typeOf = (message) => String(message.type ?? '').toLowerCase();

export const isApple = (platform) => APPLE.has(String(platform ?? '').toLowerCase());

// context.externalId: [{type, id, identifierType}]
export function externalIds(message) {
    const ids = get(message, 'context.externalId');
    return (Array.isArray(ids) ? ids : [ids]).filter(isObject);
}

export const externalId = (message, type) => externalIds(message).find((id) => id.type === type)?.id;

// Rows of reverse ETL come in the destination's own field names.
export const isMapped = (message) => Boolean(get(message, 'context.mappedToDestination'));

// The object of reverse ETL: {objectType, destinationExternalId, identifierType}; externalId's type is "<DEST>-<object>".
export function mappedObject(message, destination) {
    const start = `${destination}-`.toLowerCase();
    const id = externalIds(message).find(({ type }) => String(type).toLowerCase().startsWith(start));
    return id && { objectType: id.type.slice(start.length), id: id.id, identifierType: id.identifierType };
}

// Options of one event for one destination: integrations.<name> under any of its spellings.
export function integration(message, names) {
    for (const name of names) {
        const options = message.integrations?.[name];
        if (options) {
            return options;
        }
    }
    return undefined;
}

// Copies every member below `roots` ('root' = the event) into `target`, but `excluded` keys and those that are there.
export function addCustomFields(message, target, roots, excluded = []) {
    const skip = new Set(excluded);
    for (const root of roots) {
        const from = root === 'root' ? message : get(message, root);
        for (const [key, value] of Object.entries(isObject(from) ? from : {})) {
            if (!skip.has(key) && !FORBIDDEN.has(key) && value !== undefined && !(key in target)) {
                target[key] = value;
            }
        }
    }
    return target;
}

export function fullName(message) {
    const name = field(message, 'name');
    if (name) {
        return name;
    }
    const parts = [field(message, 'firstName'), field(message, 'lastName')].filter(Boolean);
    return parts.length > 0 ? parts.join(' ') : undefined;
}

// ms since 1970 of what senders call a time; undefined = it is none
export function time(value) {
    if (value === undefined || value === null || value === '') {
        return undefined;
    }
    const ms = typeof value === 'number' ? value : Date.parse(value);
    return Number.isNaN(ms) ? undefined : ms;
}
