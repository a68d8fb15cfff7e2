// Facebook Pixel: events for Meta's Conversions API, people only as hashes.
import { Dead, byteLength, each, sha256 } from 'sluice';
import { integration, isApple, typeOf } from '_lib/event';
import { userData } from '_lib/meta_user';
import { first, flatten, isEmpty, isObject, number, without } from '_lib/values';

export { outcome } from '_lib/meta_answers';

const OPTIONS_OF = ['Facebook Pixel', 'FacebookPixel', 'FACEBOOK_PIXEL', 'facebook_pixel', 'facebook pixel', 'Facebook_Pixel', 'fb_pixel',
    'fb pixel', 'FB Pixel'];

// https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/server-event
const ACTION_SOURCES = new Set(['email', 'website', 'app', 'phone_call', 'chat', 'physical_store', 'system_generated', 'business_messaging', 'other']);
const SOURCE_OF_CHANNEL = new Map([['web', 'website'], ['mobile', 'app']]);
const DAY_MS = 86400000;
const MINUTE_MS = 60000;

// Device and app, in the places that Meta gives them: https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/app-data
const EXTINFO = [
    'context.app.namespace', 'context.app.build', 'context.app.version', 'context.os.version', 'context.device.model', 'context.locale',
    'context.abv_timezone', 'context.network.carrier', 'context.screen.width', 'context.screen.height', 'context.screen.density',
    'context.cpu_cores', 'context.ext_storage_size', 'context.avl_storage_size', 'context.timezone',
];

// Properties that say something of the event itself, not of its custom_data.
const ABOUT_EVENT = ['opt_out', 'event_id', 'action_source'];

// https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/custom-data
const DELIVERY_CATEGORIES = new Set(['in_store', 'curbside', 'home_delivery']);

const LISTS = new Set(['content_ids', 'contents']);

const PERSONAL = new Set([
    'email', 'firstName', 'lastName', 'firstname', 'lastname', 'first_name', 'last_name', 'gender', 'city', 'country', 'phone', 'state', 'zip',
    'postalCode', 'birthday',
]);

// Track events that are standard events, by their names in lower case.
const SHOP = new Map([
    ['product list viewed', { name: 'ViewContent', custom: listViewed }],
    ['product viewed', { name: 'ViewContent', custom: product }],
    ['product added', { name: 'AddToCart', custom: product }],
    ['products searched', { name: 'Search', custom: searched }],
    ['checkout started', { name: 'InitiateCheckout', custom: order }],
    ['order completed', { name: 'Purchase', custom: purchase }],
]);

// https://developers.facebook.com/docs/meta-pixel/reference#standard-events
const STANDARD = new Map([
    ['ViewContent', listViewed], ['AddToCart', product], ['Search', searched], ['InitiateCheckout', order], ['Purchase', purchase],
    ...['AddPaymentInfo', 'AddToWishlist', 'CompleteRegistration', 'Contact', 'CustomizeProduct', 'Donate', 'FindLocation', 'Lead', 'PageView',
        'Schedule', 'StartTrial', 'SubmitApplication', 'Subscribe'].map((name) => [name, revenueAsValue]),
]);

// Senders that know Meta's own names of shop events need no mapping.
const SHOP_STANDARD = new Set([...SHOP.values()].map(({ name }) => name));

export const transform = each(({ message, draft }, config, ctx) => {
    if (!draft.query?.access_token) {
        throw new Dead('events from the server need an access token');
    }
    const { name, custom, standard } = kindOf(message, config);
    const options = integration(message, OPTIONS_OF) ?? {};
    const { event_time, event_source_url, opt_out, event_id, action_source } = draft.body.event;
    const source = actionSource(action_source, message.channel);
    checkTime(draft.body.time_ms, source, ctx.now);
    const event = {
        user_data: userData(draft.body, options.hashed),
        event_name: name, event_time, event_source_url, opt_out, event_id, action_source: source,
        ...draft.body.options,
        app_data: source === 'app' ? appData(message, draft.body.app) : undefined,
        custom_data: custom ? customData({ message, config, options, custom, standard }) : undefined,
    };
    const test = config.testDestination && config.testEventCode ? { test_event_code: config.testEventCode } : {};
    return { url: draft.url, query: draft.query, form: { data: JSON.stringify([event]), ...test } };
});

// ---- the event ----

function kindOf(message, config) {
    const type = typeOf(message);
    if (type === 'identify') {
        return { name: 'identify' };
    }
    if (type === 'track') {
        return trackKind(message.event, config);
    }
    const isNamed = type === 'page' && !config.standardPageCall && !isEmpty(message.name);
    return { name: isNamed ? `Viewed page ${message.name}` : 'PageView', custom: ({ data }) => data, standard: config.standardPageCall };
}

function trackKind(event, config) {
    if (typeof event !== 'string' || event.trim() === '') {
        throw new Dead('a track event needs a name, a text');
    }
    const key = event.trim().toLowerCase();
    const mapped = (config.eventsToEvents ?? []).find(({ from, to }) => from && to && String(from).trim().toLowerCase() === key);
    const shop = SHOP.get(key);
    if (shop && !mapped) {
        return { ...shop, standard: true };
    }
    const name = mapped?.to ?? event;
    const custom = mapped || SHOP_STANDARD.has(name) ? STANDARD.get(name) : undefined;
    return { name, custom: custom ?? revenueAsValue, standard: Boolean(custom) };
}

function actionSource(given, channel) {
    if (given === undefined) {
        return SOURCE_OF_CHANNEL.get(channel) ?? 'other';
    }
    if (!ACTION_SOURCES.has(given)) {
        throw new Dead(`action_source is one of ${[...ACTION_SOURCES].join(', ')}`);
    }
    return given;
}

// Required of events of apps; iPhones ask their owner, others allow. A place that is not known is an empty text.
function appData(message, more) {
    const { os, device } = message.context ?? {};
    const apple = isApple(os?.name || device?.type);
    const allowed = device?.adTrackingEnabled ?? !apple;
    const followed = message.properties?.application_tracking_enabled ?? device?.adTrackingEnabled ?? true;
    return {
        advertiser_tracking_enabled: Number(isYes(allowed)),
        application_tracking_enabled: Number(isYes(followed)),
        extinfo: [apple ? 'i2' : 'a2', ...EXTINFO.map((path) => String(first(message, [path]) ?? ''))],
        ...more,
    };
}

const isYes = (value) => Boolean(value) && value !== 'false' && value !== '0';

// Meta refuses a whole request for one event that is older, or lies in the future.
function checkTime(time, source, now) {
    const days = source === 'physical_store' ? 62 : 7;
    if (now - time > days * DAY_MS || time - now > MINUTE_MS) {
        throw new Dead(`Meta takes events of the last ${days} days, and of one minute ahead`);
    }
}

// ---- custom_data ----

function customData({ message, config, options, custom, standard }) {
    const properties = isObject(message.properties) ? message.properties : {};
    const own = without(properties, ABOUT_EVENT);
    if (standard && isEmpty(own)) {
        throw new Dead('a standard event needs properties');
    }
    return custom({ data: guarded(flat(own), config, options), properties, config, options });
}

// Meta wants the lists of what an event is about as lists.
function flat(properties) {
    const out = {};
    for (const [key, value] of Object.entries(properties)) {
        Object.assign(out, LISTS.has(key) && Array.isArray(value) ? { [key]: value } : flatten({ [key]: value }));
    }
    return out;
}

// What names people is left out or hashed, unless the settings allow it. A sender that says `hashed` has hashed what they list already.
function guarded(data, config, options) {
    const allowed = new Set((config.whitelistPiiProperties ?? []).map((row) => row.whitelistPiiProperties));
    const listed = new Map((config.blacklistPiiProperties ?? []).map((row) => [row.blacklistPiiProperties, row.blacklistPiiHash]));
    const out = {};
    for (const [key, value] of Object.entries(data)) {
        const isListed = listed.has(key);
        const isAllowed = PERSONAL.has(key) && allowed.has(key);
        if (isAllowed || (isListed ? options.hashed : !PERSONAL.has(key))) {
            out[key] = value;
        } else if (isListed && listed.get(key)) {
            out[key] = sha256(String(value));
        }
    }
    return out;
}

function revenueAsValue({ data, properties }) {
    if (isEmpty(properties.revenue)) {
        return data;
    }
    return { ...without(data, ['revenue']), value: amount(properties.revenue) };
}

function listViewed({ data, properties, config, options }) {
    const category = categoryText(properties.category);
    const { ids, contents } = contentsOf(properties);
    const isGroup = ids.length === 0;
    const group = isGroup && category !== undefined;
    return {
        ...data,
        content_ids: group ? [category] : ids,
        content_type: contentType(properties, config, options, isGroup ? 'product_group' : 'product'),
        contents: group ? [{ id: category, quantity: 1 }] : contents,
        content_category: category,
        content_name: properties.contentName,
        value: amount(properties.value),
        currency: currency(properties),
    };
}

function product({ data, properties, config, options }) {
    const { ids, contents } = ownContents(properties);
    return {
        ...data,
        content_ids: ids,
        content_type: contentType(properties, config, options, 'product'),
        content_name: properties.product_name || properties.name || '',
        content_category: categoryText(properties.category),
        currency: currency(properties),
        value: amount(config.valueFieldIdentifier === 'properties.value' ? properties.value : properties.price),
        contents,
    };
}

function searched({ data, properties }) {
    const { query } = properties;
    if (!isEmpty(query) && typeof query !== 'string') {
        throw new Dead('properties.query, what was searched for, is a text');
    }
    const { ids, contents } = ownContents(properties);
    return {
        ...data,
        content_ids: ids,
        content_category: categoryText(properties.category),
        value: amount(properties.value),
        contents,
        search_string: query,
        currency: currency(properties),
    };
}

function order({ data, properties, config, options }, more = {}, contentOf = undefined) {
    const { ids, contents } = contentsOf(properties, contentOf);
    return {
        ...data,
        content_category: categoryText(properties.category),
        content_ids: ids,
        content_type: contentType(properties, config, options, 'product'),
        ...more,
        currency: currency(properties),
        value: amount(properties.revenue),
        contents,
        num_items: ids.length,
    };
}

function purchase(given) {
    const { properties } = given;
    if (isEmpty(properties.revenue)) {
        throw new Dead('a purchase needs properties.revenue, what it is worth');
    }
    const delivery = ({ delivery_category: own }) => ({
        delivery_category: [own, properties.delivery_category].find((category) => DELIVERY_CATEGORIES.has(category)),
    });
    return order(given, { content_name: properties.contentName }, delivery);
}

const currency = (properties) => properties.currency || 'USD';

function amount(value) {
    const found = isEmpty(value) ? 0 : number(value);
    if (!Number.isFinite(found)) {
        throw new Dead('revenue, value and price are numbers');
    }
    return Number(found.toFixed(2));
}

function contentType(properties, config, options, otherwise) {
    const mapped = (config.categoryToContent ?? []).find(({ from, to }) => from && to && from === properties.category);
    return properties.content_type || options.contentType || mapped?.to || otherwise;
}

function categoryText(category) {
    if (isEmpty(category)) {
        return undefined;
    }
    if (isObject(category)) {
        throw new Dead('properties.category is a text, or a list of texts');
    }
    return Array.isArray(category) ? category.map(String).join(',') : String(category);
}

const idOf = ({ product_id: own, sku, id }) => [own, sku, id].find((value) => !isEmpty(value));

const listOf = (value) => (Array.isArray(value) ? value : []);

// What a product does not say of quantity and price, the event says. Without products the event may have made the lists itself.
function contentsOf(properties, more = () => ({})) {
    const { quantity, price } = properties;
    const products = properties.products ?? [];
    if (!Array.isArray(products) || !products.every(isObject)) {
        throw new Dead('properties.products is a list of objects');
    }
    const named = products.filter((item) => idOf(item) !== undefined);
    if (named.length === 0) {
        return { ids: listOf(properties.content_ids), contents: listOf(properties.contents) };
    }
    const contents = named.map((item) => ({
        id: idOf(item), quantity: item.quantity || quantity || 1, item_price: item.price ?? price, ...more(item),
    }));
    return { ids: named.map(idOf), contents };
}

function ownContents(properties) {
    const id = idOf(properties);
    if (id === undefined) {
        return contentsOf(properties);
    }
    return { ids: [id], contents: [{ id, quantity: properties.quantity || 1, item_price: properties.price }] };
}

// ---- batches ----

// https://developers.facebook.com/docs/marketing-api/conversions-api/using-the-api: at most 1000 events
export function batch(results, config, { limits }) {
    const groups = [];
    let bytes = 0;
    for (const result of results) {
        const size = byteLength(result.request.form.data);
        if (groups.length === 0 || groups.at(-1).length >= limits.batch_events || bytes + size > limits.batch_bytes) {
            groups.push([]);
            bytes = 0;
        }
        groups.at(-1).push(result);
        bytes += size;
    }
    return groups.map(merged);
}

// All of a destination have the same address; `data` is the text of an array.
function merged(group) {
    const [{ request }] = group;
    const data = `[${group.map((result) => result.request.form.data.slice(1, -1)).join(',')}]`;
    return { events: group.flatMap(({ events }) => events), request: { ...request, form: { ...request.form, data } } };
}
