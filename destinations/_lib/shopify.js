// What the three kinds of Shopify's webhooks share: times, products, the visitor's id. https://shopify.dev/docs/api/webhooks
import { uuidOf } from 'sluice';
import { isoOf } from '_lib/payload';
import { get, isEmpty, isObject, withoutUndefined } from '_lib/values';

export const LIBRARY = 'RudderStack Shopify Cloud';
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

// Only what is ISO 8601: other texts are read differently by different engines.
export const timeOf = (text) => (typeof text === 'string' && ISO.test(text) ? isoOf(text) : undefined);

// Amounts come as texts.
export function amountOf(value) {
    const amount = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    return typeof amount === 'number' && Number.isFinite(amount) ? amount : undefined;
}

export const textOf = (id) => (typeof id === 'number' || (typeof id === 'string' && id !== '') ? String(id) : undefined);

const CONVERSIONS = { amount: amountOf, text: textOf };

// rows: {to: [from, conversion]}; what is empty writes nothing unless `blank` lets '' pass.
export function pick(payload, rows, { blank = false } = {}) {
    const out = {};
    for (const [to, [from, conversion]] of Object.entries(rows)) {
        const value = get(payload, from);
        const kept = isEmpty(value) && !(blank && value === '') ? undefined : value;
        out[to] = conversion ? CONVERSIONS[conversion](kept) : kept;
    }
    return withoutUndefined(out);
}

export const itemsOf = (payload) => (Array.isArray(payload.line_items) ? payload.line_items.filter(isObject) : undefined);

// The storefront's script writes the visitor's id into the cart's attributes, which checkouts and orders carry on as notes.
export function noted(payload, config) {
    const notes = Array.isArray(payload.note_attributes) && !config.disableClientSideIdentifier ? payload.note_attributes : [];
    return textOf(notes.find((note) => note?.name === 'rudderAnonymousId')?.value);
}

// A cart keeps its token until it is bought: what becomes of one cart has one id.
export const hashOf = (token) => (typeof token === 'string' && token !== '' ? uuidOf(token) : undefined);

export const ok = () => ({ answer: { type: 'text/plain', body: 'OK' } });
