// Braze: users/track for attributes, events and purchases; groups' subscriptions; merges of users.
import { Dead, Retry, byteLength, each } from 'sluice';
import { externalId, externalIds, integration, isMapped, typeOf } from '_lib/event';
import { chunk, isEmpty, isObject, number, without } from '_lib/values';
import { recommended } from '_lib/braze_ecommerce';
import { attributesOf, news, profiles } from '_lib/braze_profile';

const SPELLINGS = ['Braze', 'braze', 'BRAZE'];
const PARTNER = 'RudderStack'; // by which Braze knows events of this form

// ---- where ----

// https://www.braze.com/docs/api/basics/#endpoints
const HOSTS = { us: ['iad', 'com'], eu: ['fra', 'eu'] };

function base(config) {
    const [region, number] = config.dataCenter.toLowerCase().split('-');
    const [name, domain] = HOSTS[region] ?? [region, 'com'];
    return `https://rest.${name}-${number}.braze.${domain}`;
}

// A call made while preparing; undefined when Braze did not answer, or not well.
const caller = (config, ctx) => async (path, json) => {
    try {
        const answer = await ctx.http({
            method: 'POST',
            url: base(config) + path,
            headers: {
                'Content-Type': 'application/json',
                Accept: 'application/json',
                Authorization: `Bearer ${config.restApiKey}`,
            },
            json,
        });
        return answer.status >= 200 && answer.status < 300 ? answer : undefined;
    } catch (error) {
        if (error instanceof Retry) {
            return undefined;
        }
        throw error;
    }
};

// ---- who ----

// The id of a row of reverse ETL whose identifier is this field.
const rowId = (message, field) => externalIds(message).find((one) => one?.identifierType === field)?.id;

function externalIdOf(message) {
    if (isMapped(message)) {
        return rowId(message, 'external_id') || message.userId;
    }
    return externalId(message, 'brazeExternalId') || message.userId;
}

// https://www.braze.com/docs/api/objects_filters/user_alias_object/
function aliasOf(message) {
    const own = integration(message, SPELLINGS)?.alias;
    if (own?.alias_name && own?.alias_label) {
        return { alias_name: own.alias_name, alias_label: own.alias_label };
    }
    return message.anonymousId ? { alias_name: String(message.anonymousId), alias_label: 'rudder_id' } : undefined;
}

// A row whose identifier is Braze's own id means that profile, whatever else it has.
function userOf(message) {
    const own = isMapped(message) ? rowId(message, 'braze_id') : undefined;
    if (own) {
        return { braze_id: String(own) };
    }
    const id = externalIdOf(message);
    return { external_id: id ? String(id) : undefined, user_alias: aliasOf(message) };
}

// Without external id and alias, Braze takes what the profile itself has: email, then phone.
function otherIdentity(attributes) {
    const found = { email: attributes.email, phone: attributes.phone };
    const name = Object.keys(found).find((key) => found[key]);
    if (!name) {
        throw new Dead('Braze needs a userId, an anonymousId, an alias, an e-mail address or a phone number');
    }
    return { [name]: found[name] };
}

// Members that say who is meant. An alias-only profile is made only when the flag is false.
function identityOf(user, attributes) {
    if (user.braze_id) {
        return user;
    }
    if (user.external_id) {
        return { external_id: user.external_id };
    }
    if (user.user_alias) {
        return { _update_existing_only: false, user_alias: user.user_alias };
    }
    return otherIdentity(attributes);
}

// ---- purchases ----

const QUANTITY = 100; // https://www.braze.com/docs/api/objects_filters/purchase_object/
const PARTS = 100;
// Reserved keys: https://www.braze.com/docs/developer_guide/analytics/logging_purchases/
const PURCHASE_KEYS = ['product_id', 'sku', 'price', 'quantity', 'currency', 'time', 'event_name'];

function needed(value, index, what) {
    if (value === undefined || value === null || value === '') {
        throw new Dead(`the product at index ${index} has no ${what}`);
    }
    return value;
}

function purchase(product, index, message, config) {
    const extra = config.sendPurchaseEventWithExtraProperties ? without(product, PURCHASE_KEYS) : {};
    const quantity = number(product.quantity ?? 1);
    if (quantity === undefined || quantity > QUANTITY * PARTS) {
        throw new Dead(`the product at index ${index} has a quantity that Braze does not take`);
    }
    return {
        product_id: String(needed(product.product_id || product.sku, index, 'product_id')),
        currency: needed(message.properties.currency || product.currency, index, 'currency'),
        price: needed(number(product.price), index, 'price'),
        quantity: Math.trunc(quantity),
        ...(!isEmpty(extra) && { properties: extra }),
    };
}

// Braze takes at most 100 of a thing in one purchase.
function inParts(item) {
    const out = [];
    let left = item.quantity;
    for (; left > QUANTITY; left -= QUANTITY) {
        out.push({ ...item, quantity: QUANTITY });
    }
    return [...out, { ...item, quantity: left }];
}

function purchases(message, draft, identity, config) {
    const products = message.properties?.products;
    const list = Array.isArray(products) ? products.filter(isObject) : [];
    if (list.length === 0) {
        throw new Dead('Order Completed has no products');
    }
    const { time, app_id: app } = draft;
    return list
        .flatMap((product, index) => inParts(purchase(product, index, message, config)))
        .map((item) => ({ ...item, time, ...(app && { app_id: app }), ...identity }));
}

// ---- one event ----

const names = (message) => [message.userId, message.anonymousId, message.previousId].filter(Boolean).map(String);

function request(config, path, json, message) {
    return { request: { url: base(config) + path, json }, keep: { path, users: names(message) } };
}

const track = (config, json, message) => request(config, '/users/track', json, message);

function personOf(message, config) {
    const user = userOf(message);
    const traits = attributesOf(message, config);
    return { user, traits, identity: identityOf(user, traits) };
}

// {attributes: [one]} or {}. What is sent counts as known from now on: ask when nothing can refuse the event any more.
function attributes({ user, traits, identity }, known) {
    const fresh = known ? news(traits, user, known) : traits;
    return isEmpty(fresh) ? {} : { attributes: [{ ...fresh, ...identity }] };
}

function identify({ message }, config, ctx, known) {
    const body = attributes(personOf(message, config), known);
    if (!body.attributes) {
        throw new Dead(known ? 'the profile holds all traits of the user already' : 'there are no traits to update');
    }
    return track(config, body, message);
}

function eventsOf(message, body, identity, config) {
    const isTrack = typeOf(message) === 'track';
    if (!body.name) {
        throw new Dead("a track call needs the event's name");
    }
    const shop = isTrack && config.useEcommerceRecommendedEvents ? recommended(message) : undefined;
    if (!shop && isTrack && body.name.toLowerCase() === 'order completed') {
        return { purchases: purchases(message, body, identity, config) };
    }
    return { events: [{ ...body, ...shop, ...identity }] };
}

function tracked({ message, draft }, config, ctx, known) {
    const person = personOf(message, config);
    const body = { time: new Date(ctx.now).toISOString(), ...draft.body };
    const said = eventsOf(message, body, person.identity, config);
    const [head, ...more] = said.purchases ? chunk(said.purchases, ctx.limits.track_objects - 1) : [];
    const first = { partner: PARTNER, ...attributes(person, known), ...said, ...(head && { purchases: head }) };
    const rest = more.map((part) => ({ partner: PARTNER, purchases: part }));
    return [first, ...rest].map((json) => track(config, json, message));
}

function group({ message }, config) {
    const { identity } = personOf(message, config);
    const id = message.groupId || message.traits?.groupId;
    return track(config, { attributes: [{ [`ab_rudder_group_${id}`]: true, ...identity }] }, message);
}

const STATES = ['subscribed', 'unsubscribed'];

// https://www.braze.com/docs/api/endpoints/subscription_groups/post_update_user_subscription_group_status_v2/
function subscription({ message, draft }, config) {
    const id = externalIdOf(message);
    const entry = { ...draft.body, ...(id && { external_ids: [String(id)] }) };
    if (!STATES.includes(entry.subscription_state)) {
        throw new Dead('the trait subscriptionState must be subscribed or unsubscribed');
    }
    if (!entry.external_ids && !entry.emails && !entry.phones) {
        throw new Dead('a subscription group needs a userId, an e-mail address or a phone number');
    }
    return request(config, '/v2/subscription/status/set', { subscription_groups: [entry] }, message);
}

const merge = ({ message, draft }, config) => request(config, '/users/merge', { merge_updates: [draft.body] }, message);

const MAKERS = { identify, event: tracked, group, subscription, merge };

// ---- all events ----

// Joins what people did before they were known to their profile. When Braze refuses, events are sent all the same.
// https://www.braze.com/docs/api/endpoints/user_data/post_user_identify/
async function identifyAliases(events, call, limit) {
    const known = events
        .filter(({ draft }) => draft.name === 'identify')
        .map(({ message }) => userOf(message))
        .filter((user) => user.external_id && user.user_alias);
    for (const aliases of chunk(known, limit)) {
        await call('/users/identify', { aliases_to_identify: aliases, merge_behavior: 'merge' });
    }
}

export async function transform(events, config, ctx) {
    const call = caller(config, ctx);
    const users = events.filter(({ draft }) => ['identify', 'event'].includes(draft.name));
    const people = users.map(({ message }) => userOf(message));
    // Without the export nothing is known, and all is sent: rather too much than nothing.
    const known = config.supportDedup ? await profiles(people, call, ctx.limits.exports) : undefined;
    await identifyAliases(events, call, ctx.limits.identifies);
    return each((event) => MAKERS[event.draft.name](event, config, ctx, known))(events, config, ctx);
}

// ---- requests of many events ----

const ARRAYS = ['attributes', 'events', 'purchases'];

const TRACK = {
    start: () => ({ partner: PARTNER }),
    fits: (body, json, limits) => size(body) + size(json) <= limits.track_objects,
    add(body, json, index, rows) {
        for (const name of ARRAYS.filter((array) => json[array])) {
            body[name] = [...(body[name] ?? []), ...json[name]];
            rows[name] = [...(rows[name] ?? []), ...json[name].map(() => index)];
        }
    },
};

const size = (json) => ARRAYS.reduce((sum, name) => sum + (json[name]?.length ?? 0), 0);

const identifiers = ({ identifier_to_merge: from, identifier_to_keep: to }) => [from.external_id, to.external_id];

// Braze promises no order among the merges of a request: who is in one already waits for the next.
const MERGE = {
    start: () => ({ merge_updates: [] }),
    fits({ merge_updates: list }, { merge_updates: [next] }, limits) {
        const taken = new Set(list.flatMap(identifiers));
        return list.length < limits.merges && !identifiers(next).some((id) => taken.has(id));
    },
    add: (body, json) => { body.merge_updates.push(...json.merge_updates); },
};

const WHO = ['external_ids', 'emails', 'phones'];
const sharesUser = (a, b) => WHO.some((name) => a[name]?.some((id) => b[name]?.includes(id)));
const isGroup = (a, b) => a.subscription_group_id === b.subscription_group_id;
const isState = (a, b) => a.subscription_state === b.subscription_state;
const isChannel = (a, b) => Boolean(a.emails) === Boolean(b.emails) && Boolean(a.phones) === Boolean(b.phones);

const SUBSCRIPTION = {
    start: () => ({ subscription_groups: [] }),
    fits({ subscription_groups: list }, { subscription_groups: [next] }, limits, count) {
        const changed = list.some((one) => isGroup(one, next) && !isState(one, next) && sharesUser(one, next));
        return count < limits.subscriptions && !changed;
    },
    add({ subscription_groups: list }, { subscription_groups: [next] }) {
        const entry = list.find((one) => isGroup(one, next) && isState(one, next) && isChannel(one, next));
        if (!entry) {
            list.push({ ...next });
            return;
        }
        for (const name of WHO.filter((who) => next[who])) {
            entry[name] = [...new Set([...(entry[name] ?? []), ...next[name]])];
        }
    },
};

const KINDS = { '/users/track': TRACK, '/users/merge': MERGE, '/v2/subscription/status/set': SUBSCRIPTION };

// The last open request of this kind, unless a later one has something of the same user: that must arrive first.
function openFor(open, { path, users }) {
    for (const one of [...open].reverse()) {
        if (one.path === path) {
            return one;
        }
        if (users.some((user) => one.users.has(user))) {
            return undefined;
        }
    }
    return undefined;
}

const begin = ({ path }, url) => (
    { path, url, body: KINDS[path].start(), bytes: 0, events: new Set(), users: new Set(), rows: {} }
);

export function batch(results, config, { limits }) {
    const open = [];
    for (const { events: [index], request: { url, json }, keep } of results) {
        const kind = KINDS[keep.path];
        const bytes = byteLength(JSON.stringify(json));
        let into = openFor(open, keep);
        if (!into || into.bytes + bytes > limits.body_bytes || !kind.fits(into.body, json, limits, into.events.size)) {
            into = begin(keep, url);
            open.push(into);
        }
        kind.add(into.body, json, index, into.rows);
        into.bytes += bytes;
        into.events.add(index);
        keep.users.forEach((user) => into.users.add(user));
    }
    return open.map(finish);
}

// `rows`: for each element of an array, which of the request's events it is of.
function finish({ url, body, events, rows }) {
    const list = [...events].sort((a, b) => a - b);
    const places = new Map(list.map((index, place) => [index, place]));
    const keep = {};
    for (const [name, indexes] of Object.entries(rows)) {
        keep[name] = indexes.map((index) => places.get(index));
    }
    return { events: list, request: { url, json: body }, keep };
}

// ---- answers ----

// "errors" of an answer name array and index of what was not taken; the rest was.
// https://www.braze.com/docs/api/endpoints/user_data/post_user_track/#responses
function faults(response, keep) {
    const out = new Map();
    const errors = Array.isArray(response.body?.errors) ? response.body.errors : [];
    for (const { input_array: array, index, type } of errors.filter(isObject)) {
        const place = keep?.[array]?.[index];
        if (place !== undefined) {
            out.set(place, { outcome: 'dead', text: `${array}[${index}]: ${type}` });
        }
    }
    return out;
}

export function outcome(response, request) {
    if (!response.status) {
        return 'retry';
    }
    const ok = response.status >= 200 && response.status < 300;
    const found = faults(response, request.keep);
    if ((!ok && response.status !== 400) || found.size === 0) {
        return undefined;
    }
    // A refused request has nothing taken: what is not at fault goes again, without what is.
    return request.events.map((_, place) => found.get(place) ?? (ok ? 'delivered' : 'retry'));
}
