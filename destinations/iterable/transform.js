// Iterable: users, events, shopping carts, purchases and catalogs, in bulk where its API has a bulk form.
import { Dead, byteLength, each } from 'sluice';
import { isApple, isMapped, mappedObject, typeOf } from '_lib/event';
import { groupBy, isEmpty, isObject } from '_lib/values';

const HANDLERS = { identify, track: trackOrShop, page: loaded, screen: loaded, alias: ({ draft }) => draftRequest(draft, draft.body) };

// Events of the commerce API, by their names in lower case.
// https://support.iterable.com/hc/en-us/articles/8698012206612-Managing-Commerce-Events-and-Shopping-Cart-Items
const SHOP = new Map([['product added', updateCart], ['product removed', updateCart], ['order completed', trackPurchase]]);

// Requests that have a bulk form: where it is, and what its body is made of.
const BULK = [
    { one: '/users/update', many: '/users/bulkUpdate', into: 'users' },
    { one: '/events/track', many: '/events/trackBulk', into: 'events' },
];

// The lists of a bulk answer that name what was not taken, and the member that they name it by.
// https://api.iterable.com/api/docs: users/bulkUpdate, events/trackBulk
const REFUSED = [
    { member: 'email', word: 'e-mail address', lists: /Emails$/ },
    { member: 'userId', word: 'user id', lists: /UserIds$/ },
    { member: 'eventName', word: 'event name', lists: /^disallowedEventNames$/ },
];

export const transform = each((event, config) => HANDLERS[typeOf(event.message)](event, config));

const draftRequest = ({ url }, json) => ({ method: 'POST', url, json });

// The draft's host with another path.
const at = ({ url }, path) => url.replace(/\/api\/.*$/, `/api/${path}`);

// ---- users ----

function identify({ message, draft }, config) {
    const object = isMapped(message) ? mappedObject(message, 'ITERABLE') : undefined;
    if (object && object.objectType !== 'users') {
        return catalogItem(draft, object);
    }
    const { user } = draft.body;
    if (object) {
        applyRowIdentifier(user, object);
    }
    if (isEmpty(user.email) && isEmpty(user.userId)) {
        throw new Dead('a row for a user needs an e-mail address or a user id');
    }
    return [draftRequest(draft, user), ...registrations(draft, config)];
}

function applyRowIdentifier(user, { id, identifierType }) {
    if (isEmpty(id) || isEmpty(identifierType)) {
        return;
    }
    user.dataFields = { ...user.dataFields, [identifierType]: id };
    if (identifierType === 'email' || identifierType === 'userId') {
        user[identifierType] = id;
    }
}

// https://api.iterable.com/api/docs: catalogs take at most 1000 items, by their ids
function catalogItem(draft, { objectType, id }) {
    if (isEmpty(id)) {
        throw new Dead('a row for a catalog needs the id of its item in context.externalId');
    }
    const json = { documents: { [id]: draft.body.user.dataFields ?? {} }, replaceUploadedFieldsOnly: true };
    return { ...draftRequest(draft, json), url: at(draft, `catalogs/${encodeURIComponent(objectType)}/items`) };
}

// Push tokens are registered with a key of their own: server-side keys may not.
function registrations(draft, config) {
    const { user, device, browserToken } = draft.body;
    if (!config.registerDeviceOrBrowserApiKey) {
        return [];
    }
    const headers = { api_key: config.registerDeviceOrBrowserApiKey };
    const { email, userId, preferUserId } = user;
    const requests = [];
    if (device?.token) {
        const platform = isApple(device.type) ? 'APNS' : 'GCM';
        const json = { email, userId, preferUserId, device: { token: device.token, platform } };
        requests.push({ ...draftRequest(draft, json), url: at(draft, 'users/registerDeviceToken'), headers });
    }
    if (browserToken) {
        requests.push({ ...draftRequest(draft, { email, userId, browserToken }), url: at(draft, 'users/registerBrowserToken'), headers });
    }
    return requests;
}

// ---- events ----

function trackOrShop({ message, draft }) {
    const shop = SHOP.get(String(message.event ?? '').trim().toLowerCase());
    return shop ? shop(draft, message) : draftRequest(draft, draft.body.event);
}

// A page without a name is "undefined page", as it always was for those who come from the original: their campaigns wait for it.
function loaded({ message, draft }, config) {
    const kind = typeOf(message);
    const single = kind === 'page' ? 'Loaded a Page' : 'Loaded a Screen';
    const eventName = config.mapToSingleEvent ? single : `${message.name} ${kind}`;
    return draftRequest(draft, { ...draft.body.event, eventName });
}

// The cart becomes what the event says: an empty list of products empties it.
function updateCart(draft, message) {
    const { user, items } = draft.body;
    const products = message.properties?.products;
    const isCleared = Array.isArray(products) && products.length === 0;
    return { ...draftRequest(draft, { user, items: isCleared ? [] : checkedItems(items) }), url: at(draft, 'commerce/updateCart') };
}

function trackPurchase(draft) {
    const { user, items, order = {}, event } = draft.body;
    if (order.total === undefined) {
        throw new Dead('a purchase needs a total: properties.total, or revenue or value');
    }
    const { createdAt, campaignId, templateId, dataFields } = event;
    const json = { ...order, user, items: checkedItems(items), createdAt, campaignId, templateId, dataFields };
    return { ...draftRequest(draft, json), url: at(draft, 'commerce/trackPurchase') };
}

// https://api.iterable.com/api/docs#commerce_trackPurchase: an item has an id, a name, a price and a quantity
function checkedItems(items = []) {
    const products = items.filter(({ id, name }) => id !== undefined || name !== undefined);
    if (products.length === 0) {
        throw new Dead('a shopping event needs products with an id or a name');
    }
    return products.map((item) => ({ ...item, categories: categoriesOf(item.categories) }));
}

// A list, or a text with commas.
function categoriesOf(value) {
    if (isEmpty(value) || Array.isArray(value)) {
        return isEmpty(value) ? undefined : value;
    }
    return String(value).split(',').map((name) => name.trim()).filter(Boolean);
}

// ---- batches ----

// An alias gives a user another address: what came before it and what came behind do not share requests.
export function batch(results, config, ctx) {
    const parts = [[]];
    for (const result of results) {
        const isAlias = result.request.url.endsWith('/users/updateEmail');
        if (isAlias) {
            parts.push([result], []);
        } else {
            parts.at(-1).push(result);
        }
    }
    return parts.flatMap((part) => batchPart(part, ctx.limits));
}

// Users first, so that they are there when their events come.
function batchPart(results, limits) {
    const bulks = BULK.flatMap((bulk) => {
        const those = results.filter(({ request }) => request.url.endsWith(bulk.one));
        return fill(those, ({ request }) => request.json, limits).map((group) => bulkRequest(group, bulk));
    });
    const catalogs = groupBy(results.filter(({ request }) => request.json.documents), ({ request }) => request.url);
    const merged = [...catalogs.values()].flatMap((those) => fill(those, ({ request }) => request.json.documents, limits).map(catalogRequest));
    const rest = results.filter(({ request }) => !request.json.documents && !BULK.some(({ one }) => request.url.endsWith(one)));
    return [...bulks, ...merged, ...rest];
}

// Groups of so many items, and of so many bytes as a body may have.
function fill(results, itemOf, { bulk_items, bulk_bytes }) {
    const groups = [];
    let bytes = 0;
    for (const result of results) {
        const size = byteLength(JSON.stringify(itemOf(result))) + 1;
        if (groups.length === 0 || groups.at(-1).length >= bulk_items || bytes + size > bulk_bytes) {
            groups.push([]);
            bytes = 0;
        }
        groups.at(-1).push(result);
        bytes += size;
    }
    return groups;
}

const eventsOf = (group) => [...new Set(group.flatMap(({ events }) => events))].sort((a, b) => a - b);

function bulkRequest(group, { one, many, into }) {
    const [{ request }] = group;
    const url = request.url.slice(0, -one.length) + many;
    return { events: eventsOf(group), request: { ...request, url, json: { [into]: group.map((result) => result.request.json) } } };
}

// Two rows of one item: the later one's fields win.
function catalogRequest(group) {
    const documents = new Map();
    for (const { request } of group) {
        for (const [id, fields] of Object.entries(request.json.documents)) {
            documents.set(id, { ...documents.get(id), ...fields });
        }
    }
    const [{ request }] = group;
    return { events: eventsOf(group), request: { ...request, json: { ...request.json, documents: Object.fromEntries(documents) } } };
}

// ---- answers ----

export function outcome(response, request) {
    const { status, body } = response;
    if ((status === 401 || status === 403) && /\/users\/register(Device|Browser)Token$/.test(request.url)) {
        return { outcome: 'dead', text: `the key that registers devices was refused: ${body?.msg ?? status}` };
    }
    const items = request.json?.users ?? request.json?.events;
    if (status !== 200 || !Array.isArray(items) || items.length !== request.events.length || !isObject(body)) {
        return undefined;
    }
    const refused = refusedOf(body);
    return items.map((item) => verdict(item, refused));
}

// What the answer's lists name, by member.
function refusedOf(body) {
    const lists = Object.entries({ ...body, ...body.failedUpdates }).filter(([, list]) => Array.isArray(list));
    return REFUSED.map(({ member, word, lists: names }) => {
        const reasons = new Map();
        for (const [name, list] of lists.filter(([key]) => names.test(key) && !/^noOp/.test(key))) {
            list.forEach((value) => reasons.set(value, `Iterable did not take the ${word} (${name})`));
        }
        return { member, reasons };
    });
}

function verdict(item, refused) {
    const found = refused.find(({ member, reasons }) => reasons.has(item[member]));
    return found ? { outcome: 'dead', text: found.reasons.get(item[found.member]) } : 'delivered';
}
