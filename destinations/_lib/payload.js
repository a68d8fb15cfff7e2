// Webhook payloads as events: what the sources of sources/ share.
import { Dead } from 'sluice';
import { get, isObject, set } from '_lib/values';

// An event that says where it came from, and that it must not go back there.
export function eventFrom(name, fields = {}) {
    return {
        context: { library: { name: 'unknown', version: 'unknown' }, integration: { name } },
        integrations: { [name]: false },
        ...fields,
    };
}

// rows: [[from, to, …further to]]. The first row that writes a place wins; null and absent values write nothing.
export function fill(event, payload, rows) {
    for (const [from, ...places] of rows) {
        const value = get(payload, from);
        if (value === undefined || value === null) {
            continue;
        }
        for (const place of places) {
            if (get(event, place) === undefined) {
                set(event, place, value);
            }
        }
    }
    return event;
}

export function objectOf(request) {
    if (!isObject(request.json)) {
        throw new Dead('the body is a JSON object');
    }
    return request.json;
}

// One payload, or an array of them.
export const listOf = (request) => (Array.isArray(request.json) ? request.json : [objectOf(request)]);

// The events of those payloads that make one; refused when none does.
export function eventsOf(payloads, make) {
    const events = [];
    let refusal;
    for (const payload of payloads) {
        try {
            const event = make(payload);
            if (event) {
                events.push(event);
            }
        } catch (error) {
            refusal ??= error;
        }
    }
    if (events.length === 0 && refusal) {
        throw refusal;
    }
    return events;
}

// Seconds since 1970 as ISO 8601; nothing from what is no number.
export function isoOfSeconds(seconds) {
    return typeof seconds === 'number' && Math.abs(seconds) < 8.64e12 ? new Date(seconds * 1000).toISOString() : undefined;
}

// A time as ISO 8601; "2022-04-19 03:33:50 +00:00" is understood too.
export function isoOf(text) {
    const tidy = typeof text === 'string' ? text.replace(/^(\d{4}-\d\d-\d\d) (\d\d:\d\d:[\d.]+) ?(.*)$/, '$1T$2$3') : text;
    const ms = typeof tidy === 'string' || typeof tidy === 'number' ? new Date(tidy).getTime() : NaN;
    return Number.isNaN(ms) ? undefined : new Date(ms).toISOString();
}

export const camelCase = (name) => name.replace(/[_-]+(\w)/g, (_, letter) => letter.toUpperCase());

// "incident.priority_updated" as "Incident Priority Updated"
export const wordsOf = (kind) => String(kind).split(/[._\s]+/).filter(Boolean).map((word) => word[0].toUpperCase() + word.slice(1)).join(' ');

// The whole second of a time of any precision, as ISO 8601; a time without zone is UTC.
export function secondOf(text) {
    const [, second, zone] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)?$/.exec(text) ?? [];
    return second && isoOf(`${second}${zone ?? 'Z'}`);
}

// An id of the vendor's, for context.externalId; none when there is none.
export const externalIds = (ids) => Object.entries(ids).filter(([, id]) => id !== undefined && id !== null && id !== '')
    .map(([type, id]) => ({ type, id }));
