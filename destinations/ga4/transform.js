// Google Analytics 4 by the Measurement Protocol. Ids, time and session come from the tables; here are the names of
// events, their parameters and items.
import { Dead, each } from 'sluice';
import { PLACED, addCustom, collect, custom, eventName, group, page, prepare, put } from '_lib/ga4';
import { typeOf } from '_lib/event';
import { first, isObject, number } from '_lib/values';

// The events of a shop: our name, Google's, and the parameters that they are refused without.
// https://www.rudderstack.com/docs/event-spec/ecommerce-events-spec/
const NAMES = new Map([
    ['products_searched', 'search', 'search_term'],
    ['product_list_viewed', 'view_item_list', 'items'],
    ['product_clicked', 'select_item', 'items'],
    ['product_viewed', 'view_item', 'items', 'value'],
    ['promotion_viewed', 'view_promotion', 'items'],
    ['promotion_clicked', 'select_promotion'],
    ['product_added', 'add_to_cart', 'items', 'value'],
    ['product_removed', 'remove_from_cart', 'items', 'value'],
    ['cart_viewed', 'view_cart', 'items', 'value'],
    ['product_added_to_wishlist', 'add_to_wishlist', 'items', 'value'],
    ['checkout_started', 'begin_checkout', 'items', 'value'],
    ['checkout_step_completed', 'add_shipping_info', 'items', 'value'],
    ['payment_info_entered', 'add_payment_info', 'items', 'value'],
    ['order_completed', 'purchase', 'items', 'value', 'transaction_id'],
    ['order_refunded', 'refund', 'value', 'transaction_id'],
    ['product_shared', 'share'],
    ['cart_shared', 'share'],
    ['generate_lead', 'generate_lead', 'value'],
].map(([own, name, ...required]) => [own, { name, required }]));

const MONEY = { currency: ['currency'], value: ['total', 'value', 'revenue'] };
const PRICED = { currency: ['currency'], value: ['total', 'price', 'value', 'revenue'] };
const COUPON = { coupon: ['coupon'] };
const LIST = { item_list_id: ['list_id'], item_list_name: ['category'] };
const PROMOTION = {
    promotion_id: ['promotion_id'], promotion_name: ['promotion_name', 'name'],
    creative_name: ['creative_name', 'creative'], creative_slot: ['creative_slot', 'position'],
};
const ORDER = {
    ...MONEY, ...COUPON, transaction_id: ['order_id'], shipping: ['shipping'], tax: ['tax'],
};
const NUMBERS = new Set(['value', 'shipping', 'tax']);

// https://developers.google.com/analytics/devguides/collection/protocol/ga4/reference/events
// rows: parameter: properties, the first that holds something; a property of the parameter's own name needs no row
// items: it has some; single: the properties may be the item; worth: price by quantity is the value when nothing else is
const PLANS = new Map(Object.entries({
    search: { rows: { search_term: ['query'] } },
    view_search_results: { rows: {}, items: true },
    view_item_list: { rows: LIST, items: true },
    select_item: { rows: LIST, items: true, single: true },
    view_item: { rows: PRICED, items: true, single: true },
    view_promotion: { rows: PROMOTION, items: true },
    select_promotion: { rows: PROMOTION, items: true },
    add_to_cart: { rows: MONEY, items: true, single: true, worth: true },
    remove_from_cart: { rows: MONEY, items: true, single: true, worth: true },
    add_to_wishlist: { rows: PRICED, items: true, single: true },
    view_cart: { rows: MONEY, items: true },
    begin_checkout: { rows: { ...MONEY, ...COUPON }, items: true },
    add_shipping_info: { rows: { ...MONEY, ...COUPON, shipping_tier: ['shipping_method'] }, items: true },
    add_payment_info: { rows: { ...MONEY, ...COUPON, payment_type: ['payment_method'] }, items: true },
    purchase: { rows: ORDER, items: true },
    refund: { rows: ORDER, items: true },
    share: { rows: { method: ['share_via'], item_id: ['item_id', 'product_id', 'sku'] } },
    cart_shared: { rows: { method: ['share_via'], item_id: ['item_id', 'cart_id'] } },
    generate_lead: { rows: PRICED },
}));
const CURRENCY = 'USD';

const SIGN_INS = new Set(['login', 'sign_up']);
const CAMPAIGN = { campaign_id: 'id', campaign: 'name', source: 'source', medium: 'medium', term: 'term', content: 'content' };

const ITEM_NAMES = new Map(Object.entries({
    product_id: 'item_id', name: 'item_name', category: 'item_category', brand: 'item_brand', variant: 'item_variant',
    position: 'index',
}));
const ITEM_NUMBERS = new Set(['price', 'quantity', 'index']);
const ITEM_KEYS = new Set([
    ...ITEM_NAMES.keys(), ...ITEM_NAMES.values(), 'coupon', 'price', 'quantity', 'affiliation', 'currency',
    'discount', 'item_category2', 'item_category3', 'item_category4', 'item_category5', 'item_list_id', 'item_list_name',
    'location_id',
]);

for (const plan of PLANS.values()) {
    plan.rows = Object.entries(plan.rows);
    plan.used = new Set([...PLACED, ...plan.rows.flatMap(([, from]) => from), ...(plan.items ? ['products', 'items'] : [])]);
    plan.usedAsItem = new Set([...plan.used, ...ITEM_KEYS]);
}

// ---- items ----

function itemOf(product, known) {
    const item = {};
    for (const key in product) {
        if (known && !known.has(key)) {
            continue;
        }
        const name = ITEM_NAMES.get(key) ?? key;
        put(item, name, ITEM_NUMBERS.has(name) ? number(product[key]) : product[key]);
    }
    return item;
}

const isItem = (item) => item.item_id !== undefined || item.item_name !== undefined;

// {items, own}: own = the properties themselves are the item
function itemsOf(properties, plan) {
    const given = properties.products ?? properties.items;
    if (Array.isArray(given)) {
        const items = given.filter(isObject).map((product) => itemOf(product));
        if (!items.every(isItem)) {
            throw new Dead('each product needs a product_id or a name');
        }
        return { items };
    }
    const itself = plan.single ? itemOf(properties, ITEM_KEYS) : {};
    if (isItem(itself)) {
        return { items: [itself], own: true };
    }
    const item = isObject(given) ? itemOf(given) : {};
    return isItem(item) ? { items: [item] } : {};
}

// ---- parameters ----

function valueOf(properties, from, isNumber) {
    for (const key of from) {
        const value = isNumber ? number(properties[key]) : properties[key];
        if (value !== undefined && value !== null && value !== '') {
            return value;
        }
    }
    return undefined;
}

// what one product is worth, when the event does not say
function worth(properties) {
    const price = number(properties.price);
    return price === undefined ? undefined : price * (number(properties.quantity) ?? 1);
}

function addStandard(properties, plan, required) {
    const params = {};
    for (const [name, from] of plan.rows) {
        put(params, name, valueOf(properties, from, NUMBERS.has(name)));
    }
    if (plan.worth && params.value === undefined) {
        put(params, 'value', worth(properties));
    }
    if (params.value !== undefined) {
        params.currency ??= CURRENCY;
    }
    const { items, own } = plan.items ? itemsOf(properties, plan) : {};
    addCustom(params, properties, own ? plan.usedAsItem : plan.used);
    const missing = required.find((name) => (name === 'items' ? items : params[name]) === undefined);
    if (missing) {
        throw new Dead(`there is nothing to make ${missing} of, which the event needs`);
    }
    if (items?.length > 0) {
        params.items = items;
    }
    return params;
}

// What context.campaign does not say, properties.campaign does.
function campaign(message, properties) {
    const params = {};
    for (const [name, key] of Object.entries(CAMPAIGN)) {
        put(params, name, first(message, [`context.campaign.${key}`, `properties.campaign.${key}`]));
    }
    const used = new Set([...PLACED, ...Object.keys(params), ...(isObject(properties.campaign) ? ['campaign'] : [])]);
    return addCustom(params, properties, used);
}

// How somebody signed in may be said of the person.
function signIn(name, message) {
    const event = custom(name, message.properties);
    put(event.params, 'method', message.traits?.method);
    return event;
}

function track(message) {
    const given = eventName(message.event);
    const key = given.toLowerCase();
    const properties = isObject(message.properties) ? message.properties : {};
    if (key === 'campaign_details') {
        return { name: key, params: campaign(message, properties) };
    }
    if (SIGN_INS.has(given)) {
        return signIn(given, message);
    }
    const shop = NAMES.get(key);
    const name = shop?.name ?? given;
    const plan = PLANS.get(key) ?? PLANS.get(name);
    return plan ? { name, params: addStandard(properties, plan, shop?.required ?? []) } : custom(name, properties);
}

const TYPES = { track, page, group };

const one = each((input, setup) => collect(input, setup, TYPES[typeOf(input.message)](input.message)));

export const transform = (events, config, ctx) => one(events, prepare(config), ctx);
