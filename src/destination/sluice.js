// What a transform.js imports as 'sluice'. `generic` is put behind it from generic.def when a version is made.
import { digest, describe } from 'sluice:host';

// Thrown for an event, they say what becomes of it; any other error makes it dead with its message.
class Outcome extends Error {
    constructor(outcome, text) {
        super(text);
        this.outcome = outcome;
    }
}

export class Dead extends Outcome {
    constructor(text) {
        super('dead', text);
    }
}

export class Filtered extends Outcome {
    constructor(text) {
        super('filtered', text);
    }
}

export class Retry extends Outcome {
    constructor(text) {
        super('retry', text);
    }
}

export class Throttled extends Outcome {
    constructor(text) {
        super('throttled', text);
    }
}

export class AuthFailed extends Outcome {
    constructor(text) {
        super('auth', text);
    }
}

// What to tell of a thrown value: an Error's message; of the language's own errors their kind and place too.
function tell(error) {
    if (error instanceof Error && error.name === 'Error' && error.message !== '') {
        return error.message;
    }
    const [text, frame = ''] = describe(error).split('\n');
    const place = frame.match(/[^\s(]+:\d+:\d+/);
    return place === null ? text : `${text} (${place[0]})`;
}

// {outcome: text} for a thrown value.
export function refusal(error) {
    return error instanceof Outcome ? { [error.outcome]: error.message } : { dead: tell(error) };
}

// ---- a function for one event as a transform for all ----

const RESULTS = ['request', 'dead', 'filtered', 'retry', 'throttled', 'auth'];

function results(index, value) {
    if (value === undefined || value === null) {
        return [];
    }
    return (Array.isArray(value) ? value : [value]).map((one) => {
        const whole = typeof one === 'object' && one !== null && RESULTS.some((key) => one[key] !== undefined);
        return whole ? { ...one, events: [index] } : { events: [index], request: one };
    });
}

export function each(fn) {
    return (events, config, ctx) => {
        let waits = false;
        const all = events.map((event, i) => {
            const failed = (error) => [{ ...refusal(error), events: [i] }];
            try {
                const value = fn(event, config, ctx.of(i));
                if (typeof value?.then === 'function') {
                    waits = true;
                    return value.then((late) => results(i, late), failed);
                }
                return results(i, value);
            } catch (error) {
                return failed(error);
            }
        });
        return waits ? Promise.all(all).then((lists) => lists.flat()) : all.flat();
    };
}

// ---- texts ----

export const sha256 = (text) => digest('sha256', String(text));
export const sha1 = (text) => digest('sha1', String(text));
export const md5 = (text) => digest('md5', String(text));
export const hmacSha256 = (key, text) => digest('hmac_sha256', String(text), String(key));
export const uuidOf = (text) => digest('uuid5_url', String(text)); // the same text, the same UUID (version 5, URL namespace)
export const base64 = (text) => digest('base64', String(text));

// of the text's UTF-8
export function byteLength(text) {
    let bytes = text.length;
    for (let i = 0; i < text.length; i++) {
        const code = text.charCodeAt(i);
        if (code > 0x7f) {
            bytes += code > 0x7ff ? 2 : 1;
            if (code >= 0xd800 && code < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
                i += 1; // a pair of surrogates: four bytes, two characters
            }
        }
    }
    return bytes;
}
