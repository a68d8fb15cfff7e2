// Google Analytics 4 by the Measurement Protocol. Ids, time and session come from the tables; here are the names of
// events, their parameters and items.
import { Dead, each } from 'sluice';
import { PLACED, addCustom, collect, custom, eventName, group, page, prepare, put } from '_lib/ga4';
import { typeOf } from '_lib/event';
import { isObject, number } from '_lib/values';

// https://www.rudderstack.com/docs/event-spec/ecommerce-events-spec/ : the events that have one of Google's names
const NAMES = new Map(Object.entries({
    products_searched: 'search',
    product_list_viewed: 'view_item_list', product_list_filtered: 'view_item_list',
    product_clicked: 'select_item', product_viewed: 'view_item',
    promotion_viewed: 'view_promotion', promotion_clicked: 'select_promotion',
    product_added: 'add_to_cart', product_removed: 'remove_from_cart', cart_viewed: 'view_cart',
    product_added_to_wishlist: 'add_to_wishlist',
    checkout_started: 'begin_checkout', checkout_step_completed: 'add_shipping_info',
    payment_info_entered: 'add_payment_info',
    order_completed: 'purchase', order_refunded: 'refund',
    product_shared: 'share', cart_shared: 'share',
}));

const MONEY = { currency: ['currency'], value: ['value', 'total', 'revenue'] };
const COUPON = { coupon: ['coupon'] };
const LIST = { item_list_id: ['list_id', 'item_list_id'], item_list_name: ['list_name', 'category', 'item_list_name'] };
const PROMOTION = {
    promotion_id: ['promotion_id'], promotion_name: ['promotion_name', 'name'],
    creative_name: ['creative_name', 'creative'], creative_slot: ['creative_slot', 'position'],
};
const ORDER = {
    ...MONEY, ...COUPON, transaction_id: ['transaction_id', 'order_id'], shipping: ['shipping'], tax: ['tax'],
};
const NUMBERS = new Set(['value', 'shipping', 'tax']);

// https://developers.google.com/analytics/devguides/collection/protocol/ga4/reference/events
// rows: parameter: properties, the first that holds something; items: it has some; single: the properties may be the item
const EVENTS = {
    search: { rows: { search_term: ['search_term', 'query'] } },
    view_search_results: { rows: { search_term: ['search_term', 'query'] }, items: true },
    view_item_list: { rows: LIST, items: true },
    select_item: { rows: LIST, items: true, single: true },
    view_item: { rows: MONEY, items: true, single: true },
    view_promotion: { rows: PROMOTION, items: true },
    select_promotion: { rows: PROMOTION, items: true },
    add_to_cart: { rows: MONEY, items: true, single: true },
    remove_from_cart: { rows: MONEY, items: true, single: true },
    add_to_wishlist: { rows: MONEY, items: true, single: true },
    view_cart: { rows: MONEY, items: true },
    begin_checkout: { rows: { ...MONEY, ...COUPON }, items: true },
    add_shipping_info: { rows: { ...MONEY, ...COUPON, shipping_tier: ['shipping_tier', 'shipping_method'] }, items: true },
    add_payment_info: { rows: { ...MONEY, ...COUPON, payment_type: ['payment_type', 'payment_method'] }, items: true },
    purchase: { rows: ORDER, items: true },
    refund: { rows: ORDER, items: true },
    share: { rows: { method: ['method', 'share_via'] } },
    generate_lead: { rows: { value: ['value'] }, defaults: { currency: 'USD' } },
};

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

for (const plan of Object.values(EVENTS)) {
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
    const item = plan.single ? itemOf(properties, ITEM_KEYS) : isObject(given) ? itemOf(given) : {};
    return isItem(item) ? { items: [item], own: plan.single } : {};
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

function addStandard(params, properties, plan) {
    for (const [name, from] of plan.rows) {
        put(params, name, valueOf(properties, from, NUMBERS.has(name)));
    }
    if (plan.single && params.value === undefined && plan.used.has('value')) {
        put(params, 'value', worth(properties));
    }
    const { items, own } = plan.items ? itemsOf(properties, plan) : {};
    if (items?.length > 0) {
        params.items = items;
    }
    return addCustom(params, properties, own ? plan.usedAsItem : plan.used);
}

function track(message) {
    const given = eventName(message.event);
    const name = NAMES.get(given.toLowerCase()) ?? given;
    if (!Object.hasOwn(EVENTS, name)) {
        return custom(name, message.properties);
    }
    const plan = EVENTS[name];
    const properties = isObject(message.properties) ? message.properties : {};
    return { name, params: addStandard({ ...plan.defaults }, properties, plan) };
}

const TYPES = { track, page, group };

const one = each((input, setup) => collect(input, setup, TYPES[typeOf(input.message)](input.message)));

export const transform = (events, config, ctx) => one(events, prepare(config), ctx);
