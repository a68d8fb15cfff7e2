// Braze's eCommerce recommended events: which track calls become one, and what their properties become.
// https://www.braze.com/docs/user_guide/data/activation/events/recommended_events/ecommerce_events/
import { first, isEmpty, isObject, number, without } from '_lib/values';

const TEXT = (value) => (typeof value === 'object' ? undefined : String(value));
const NUMBER = (value) => number(value);
const ANY = (value) => value;

// What a field is, the names that senders use for it, in order, and its type.
const PRODUCT = [
    ['product_id', ['product_id', 'sku'], TEXT],
    ['product_name', ['product_name', 'name'], TEXT],
    // required by Braze: a product without variants is its own
    ['variant_id', ['variant_id', 'variant', 'sku', 'product_id'], TEXT],
    ['image_url', ['image_url'], TEXT],
    ['product_url', ['product_url', 'url'], TEXT],
    ['price', ['price'], NUMBER],
];
const LINE = [...PRODUCT, ['quantity', ['quantity'], NUMBER]];
const CURRENCY = ['currency', ['currency'], TEXT];
const TOTALS = [
    ['total_value', ['total_value', 'total', 'value', 'revenue'], NUMBER],
    ['subtotal_value', ['subtotal_value', 'subtotal'], NUMBER],
    ['tax', ['tax'], NUMBER],
    ['shipping', ['shipping'], NUMBER],
    CURRENCY,
];
const ORDER = [
    ['order_id', ['order_id'], TEXT],
    ['cart_id', ['cart_id'], TEXT],
    ...TOTALS,
    ['total_discounts', ['total_discounts', 'discount'], NUMBER],
    ['discounts', ['discounts'], ANY],
];
const CART = [['cart_id', ['cart_id'], TEXT], ['total_value', ['total_value', 'total', 'value'], NUMBER], CURRENCY];
const CHECKOUT = [
    ['checkout_id', ['checkout_id', 'order_id'], TEXT],
    ['cart_id', ['cart_id'], TEXT],
    ['checkout_url', ['checkout_url'], TEXT],
    ...TOTALS,
];
const CANCELLED = [...ORDER, ['cancel_reason', ['cancel_reason', 'reason'], TEXT]];

const EVENTS = new Map(Object.entries({
    'product viewed': { name: 'ecommerce.product_viewed', fields: [...PRODUCT, CURRENCY, ['type', ['type'], ANY]] },
    'product added': { name: 'ecommerce.cart_updated', fields: CART, action: 'add', products: 'or one' },
    'product removed': { name: 'ecommerce.cart_updated', fields: CART, action: 'remove', products: 'or one' },
    'checkout started': { name: 'ecommerce.checkout_started', fields: CHECKOUT, products: 'list' },
    'order completed': { name: 'ecommerce.order_placed', fields: ORDER, products: 'list' },
    'order refunded': { name: 'ecommerce.order_refunded', fields: ORDER, products: 'list' },
    'order cancelled': { name: 'ecommerce.order_cancelled', fields: CANCELLED, products: 'list' },
}));

const RESERVED = ['products', 'source', 'metadata', 'time', 'event_name'];

// The fields that `properties` has; the names that were read are added to `taken`.
function read(properties, fields, taken) {
    const out = {};
    for (const [to, from, type] of fields) {
        const name = from.find((key) => first(properties, [key]) !== undefined);
        const value = name === undefined ? undefined : type(properties[name]);
        if (value !== undefined) {
            out[to] = value;
            taken.push(name);
        }
    }
    return out;
}

// What no field took goes to `metadata`: Braze refuses other members.
function metadata(properties, taken) {
    const own = isObject(properties.metadata) ? properties.metadata : {};
    const all = { ...without(properties, [...taken, ...RESERVED]), ...own };
    return isEmpty(all) ? {} : { metadata: all };
}

function line(product) {
    const taken = [];
    return { ...read(product, LINE, taken), ...metadata(product, taken) };
}

// Calls about one product may say it by itself, beside the cart.
function lines(properties, kind, taken) {
    const list = Array.isArray(properties.products) ? properties.products.filter(isObject).map(line) : [];
    if (list.length > 0 || kind !== 'or one') {
        return list;
    }
    const one = read(properties, LINE, taken);
    return isEmpty(one) ? [] : [one];
}

// web, ios, android …: where the event comes from
function source(message) {
    const os = String(message.context?.os?.name ?? '').toLowerCase();
    return message.channel === 'mobile' && os ? os : message.channel || 'server';
}

// {name, properties} of a track call that has a recommended event; undefined for others.
export function recommended(message) {
    const event = EVENTS.get(String(message.event).trim().toLowerCase());
    if (!event) {
        return undefined;
    }
    const properties = isObject(message.properties) ? message.properties : {};
    const taken = [];
    const fields = read(properties, event.fields, taken);
    const products = event.products ? lines(properties, event.products, taken) : [];
    return {
        name: event.name,
        properties: {
            ...fields,
            ...(event.action && { action: event.action }),
            source: TEXT(properties.source ?? source(message)),
            ...(products.length > 0 && { products }),
            ...metadata(properties, taken),
        },
    };
}
