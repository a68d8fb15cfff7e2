// People as Meta's APIs want them: normalised and hashed.
import { Dead, sha256 } from 'sluice';
import { isEmpty } from '_lib/values';

// How Meta wants people's data before it is hashed; what can't be brought into that form is left out.
// https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/customer-information-parameters
const HASHED = new Map([
    ['external_id', asIs], ['em', asIs], ['ph', digits], ['ge', gender], ['db', birthday], ['ln', asIs], ['fn', asIs],
    ['ct', lettersOnly], ['st', lettersOnly], ['zp', zip], ['country', asIs],
]);

// draft: {user: its parts as the event has them, name, click: {url, time}}; hashed: the sender says that the parts are hashes already.
export function userData({ user = {}, name, click = {} }, hashed) {
    const data = { ...user };
    if (typeof name === 'string' && name) {
        // as written: those who come from the original have such hashes at Meta
        const [first, ...rest] = name.split(/\s+/);
        data.fn = first;
        data.ln = rest.at(-1) ?? data.ln;
    }
    data.fbc ??= clickId(click);
    for (const [key, tidy] of HASHED) {
        if (key in data && !hashed) {
            const value = isEmpty(data[key]) ? undefined : tidy(data[key]);
            data[key] = isEmpty(value) ? undefined : sha256(value);
        }
    }
    if (Object.values(data).every((value) => value === undefined)) {
        throw new Dead('Meta matches events with people, and the event says nothing of anybody');
    }
    return data;
}

function asIs(text) {
    return text;
}

function digits(text) {
    return text.replace(/\D/g, '').replace(/^0+/, '');
}

function gender(text) {
    return /^(f|female|woman)$/.test(text) ? 'f' : /^(m|male|man)$/.test(text) ? 'm' : undefined;
}

function birthday(text) {
    const [, year, month, day] = /^(\d{4})[-/]?(\d\d)[-/]?(\d\d)(?!\d)/.exec(text) ?? [];
    if (year) {
        return year + month + day;
    }
    const [, second, third, first] = /^(\d\d)\/(\d\d)\/(\d{4})$/.exec(text) ?? [];
    return first && first + second + third;
}

function lettersOnly(text) {
    return text.replace(/[\s\p{P}\p{S}]/gu, '');
}

// Of a ZIP+4 the first five digits.
function zip(text) {
    const tidy = text.replace(/\s/g, '');
    return /^\d{5}-\d{4}$/.test(tidy) ? tidy.slice(0, 5) : tidy.replace(/-/g, '');
}

// https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/fbp-and-fbc
function clickId({ url, time }) {
    const found = /[?&]fbclid=([^&#]+)/.exec(typeof url === 'string' ? url : '');
    return found ? `fb.1.${time}.${found[1]}` : undefined;
}
