// Amplitude: events and user properties by the HTTP V2 and batch APIs, groups and aliases by forms.
// Who, when, device and place come from the tables.
import { Dead, each } from 'sluice';
import { isApple, isMapped, mappedObject, typeOf } from '_lib/event';
import { batchesOf } from '_lib/ordered_batches';
import { browser, device, system } from '_lib/user_agent';
import { copy, first, get, isEmpty, isObject, number, without } from '_lib/values';

const JSON_HEADERS = { 'Content-Type': 'application/json' };

const host = (config) => `https://${config.residencyServer === 'EU' ? 'api.eu' : 'api2'}.amplitude.com`;

// https://amplitude.com/docs/apis/analytics/http-v2: ids shorter than five characters are refused unless told
function upload(path, events, config) {
    const json = { api_key: config.apiKey, events, options: { min_id_length: 1 } };
    return { url: `${host(config)}/${path}`, headers: JSON_HEADERS, json };
}

const form = (path, name, value, config) => ({
    url: `${host(config)}/${path}`, form: { api_key: config.apiKey, [name]: `[${JSON.stringify(value)}]` },
});

const optionsOf = (message) => {
    const options = message.integrations?.Amplitude;
    return isObject(options) ? options : {};
};

// ---- device and session ----

const SYSTEMS = { 'Mac OS': 'Mac', 'Chromium OS': 'Chrome OS' };

// A browser is the system of the web; the web SDK sends no screens.
function addBrowser(event, message) {
    if (message.channel !== 'web' || typeOf(message) === 'screen') {
        return;
    }
    event.platform = 'Web';
    const agent = get(message, 'context.userAgent');
    const { name, version } = browser(agent) ?? {};
    const { vendor, model } = device(agent);
    const os = system(agent);
    const found = {
        os_name: name, os_version: version, device_model: model ?? SYSTEMS[os] ?? os,
        device_manufacturer: event.device_manufacturer ?? vendor,
    };
    for (const [key, value] of Object.entries(found)) {
        if (value !== undefined) {
            event[key] = value;
        }
    }
}

// https://amplitude.com/docs/apis/analytics/http-v2: idfa and idfv of iOS, adid of Android
function addAdvertising(event, message) {
    const { type, id, advertisingId } = message.context?.device ?? {};
    if (isApple(type)) {
        event.idfa = advertisingId;
        event.idfv = id;
    } else if (String(type ?? '').toLowerCase() === 'android') {
        event.adid = advertisingId;
    }
}

// The start of the session, in ms: digits, or behind a colon; -1 = in no session
function sessionId(message) {
    for (const id of [message.session_id, message.context?.sessionId]) {
        const digits = String(id ?? '').match(/^(?:.*:)?(\d+)$/);
        if (digits) {
            return Number(digits[1]);
        }
    }
    return -1;
}

// ---- user properties ----

const PLACES = ['city', 'country', 'region'];
const OPERATIONS = {
    $add: 'traitsToIncrement', $setOnce: 'traitsToSetOnce', $append: 'traitsToAppend', $prepend: 'traitsToPrepend',
};
// what reverse ETL may set of an event itself: columns named as Amplitude's fields are these fields
const EVENT_FIELDS = [
    'app_version', 'platform', 'os_name', 'os_version', 'device_brand', 'device_manufacturer', 'device_model', 'carrier',
    'dma', 'language', 'location_lat', 'location_lng', 'idfa', 'idfv', 'adid', 'android_id', ...PLACES,
];

function campaign(message) {
    const from = get(message, 'context.campaign');
    return Object.fromEntries(Object.entries(isObject(from) ? from : {}).map(([key, value]) => [`utm_${key}`, value]));
}

function placeless(traits) {
    const out = without(traits, PLACES);
    if (isObject(out.address)) {
        out.address = without(out.address, PLACES);
    }
    return out;
}

// Takes the configured traits out of the properties and into Amplitude's operations.
function operate(properties, config) {
    for (const [operation, key] of Object.entries(OPERATIONS)) {
        const names = (config[key] ?? []).map((row) => row.traits).filter((name) => !isEmpty(name));
        for (const name of names) {
            if (Object.hasOwn(properties, name)) {
                properties[operation] = { ...properties[operation], [name]: properties[name] };
                delete properties[name];
            }
        }
    }
}

// https://amplitude.com/docs/apis/analytics/identify: user property operations; "-" is any value
function addUnset(properties, fields) {
    const names = (Array.isArray(fields) ? fields : []).filter((name) => typeof name === 'string' && name !== '');
    if (names.length > 0) {
        properties.$unset = Object.fromEntries(names.map((name) => [name, '-']));
    }
}

const contextTraits = (message) => {
    const traits = get(message, 'context.traits');
    return isObject(traits) ? traits : {};
};

// Traits of both places, an address's parts among them.
function identityTraits(message) {
    const traits = { ...contextTraits(message), ...(isObject(message.traits) ? message.traits : {}) };
    const { address, ...rest } = traits;
    return isObject(address) ? { ...address, ...rest } : traits;
}

// ---- the types ----

function base({ message, draft }) {
    const { event = {}, user = {} } = draft.body ?? {};
    const { event_id, skipUserPropertiesSync } = optionsOf(message);
    const out = {
        ...event,
        device_id: first(message, ['context.device.id', 'anonymousId']),
        session_id: sessionId(message),
        user_properties: { ...user, ...campaign(message) },
    };
    addBrowser(out, message);
    addAdvertising(out, message);
    if (typeof event_id === 'number') {
        out.event_id = event_id;
    }
    if (skipUserPropertiesSync === true) {
        out.$skip_user_properties_sync = true;
    }
    return out;
}

// Reverse ETL names the id that it knows: device_id, user_id, or a property.
function addMapped(event, traits, message) {
    const { id, identifierType } = mappedObject(message, 'AM') ?? {};
    if (!isEmpty(id) && !isEmpty(identifierType)) {
        traits[identifierType] = id;
    }
    for (const name of ['device_id', 'user_id']) {
        event[name] = traits[name] ?? event[name];
    }
    for (const name of EVENT_FIELDS.filter((field) => !isEmpty(traits[field]))) {
        event[name] = event[name] !== undefined && PLACES.includes(name) ? event[name] : traits[name];
        delete traits[name];
    }
}

function identify(input, config) {
    const { message } = input;
    const event = base(input);
    const traits = identityTraits(message);
    if (isMapped(message)) {
        addMapped(event, traits, message);
    }
    Object.assign(event.user_properties, without(traits, PLACES));
    operate(event.user_properties, config);
    addUnset(event.user_properties, optionsOf(message).fieldsToUnset);
    return [{ ...event, event_type: '$identify' }];
}

function action(input, event_type, properties) {
    if (typeof event_type !== 'string' || event_type === '') {
        throw new Dead('the event has no name: Amplitude needs an event type');
    }
    const event = base(input);
    Object.assign(event.user_properties, placeless(contextTraits(input.message)));
    return { ...event, event_type, ...(properties && { event_properties: properties }) };
}

const fill = (template, message) => template.replace(/\{\{\s*([\w.]+)\s*\}\}/g, (_, path) => {
    const value = first(message, [path, `properties.${path}`]);
    return value === undefined ? '' : String(value);
});

const VIEWS = {
    page: {
        names: ['name', 'event', 'properties.name'], word: 'Page',
        own: 'useUserDefinedPageEventName', template: 'userProvidedPageEventString',
    },
    screen: {
        names: ['name', 'event', 'properties.name'], word: 'Screen',
        own: 'useUserDefinedScreenEventName', template: 'userProvidedScreenEventString',
    },
};

function view(input, config) {
    const { message } = input;
    const { names, word, own, template } = VIEWS[typeOf(message)];
    const name = first(message, names);
    const label = config[own] ? (config[template] ? fill(config[template], message) : name) : `Viewed ${name ?? ''} ${word}`;
    return [action(input, label, { ...message.properties, ...(name === undefined ? {} : { name }) })];
}

// ---- revenue ----

// https://amplitude.com/docs/apis/analytics/http-v2: revenue is price times quantity, unless it is given
function revenueOf(properties, purchase) {
    const revenue = number(properties.revenue);
    const price = number(properties.price);
    const type = properties.revenueType ?? properties.revenue_type ?? (purchase ? 'Purchased' : undefined);
    return {
        ...(isEmpty(properties.product_id) ? {} : { productId: properties.product_id }),
        ...(type === undefined ? {} : { revenueType: type }),
        price: price ?? revenue,
        quantity: price === undefined ? 1 : number(properties.quantity) ?? 1,
        ...(revenue === undefined ? {} : { revenue }),
    };
}

const PRICED = ['revenue', 'price', 'quantity', 'product_id'];
const PURCHASES = new Set(['order completed', 'completed order', 'product purchased']);

function productEvent(order, product, index, perProduct) {
    const event = copy({ ...order, event_type: 'Product Purchased' });
    if (order.insert_id !== undefined) {
        event.insert_id = `${order.insert_id}-${index + 1}`;
    }
    const priced = perProduct && [product.price, product.revenue].some((sum) => number(sum) !== undefined);
    event.event_properties = priced ? without(product, PRICED) : product;
    return priced ? { ...event, ...revenueOf(product, true) } : event;
}

// Orders: revenue is counted by the order or by its products, which stay in it or become events, or both.
function track(input, config) {
    const { message } = input;
    const properties = isObject(message.properties) ? message.properties : undefined;
    const order = action(input, message.event, properties);
    if (number(properties?.revenue) === undefined) {
        return [order];
    }
    const products = Array.isArray(properties.products) ? properties.products.filter(isObject) : [];
    const perProduct = config.trackRevenuePerProduct && products.length > 0;
    const apart = products.length > 0 && (perProduct || !config.trackProductsOnce);
    order.event_properties = without(properties, [
        ...(perProduct ? [] : PRICED), ...(config.trackProductsOnce ? [] : ['products']),
    ]);
    const bare = { ...order };
    if (!perProduct) {
        Object.assign(order, revenueOf(properties, PURCHASES.has(message.event.trim().toLowerCase())));
    }
    return apart ? [order, ...products.map((product, i) => productEvent(bare, product, i, perProduct))] : [order];
}

// ---- groups and aliases ----

// {group_type, group_value, group_properties}: of the event's options, or of the traits that the settings name
function groupOf(message, config) {
    const { groups } = optionsOf(message);
    if (isObject(groups) && !isEmpty(groups.group_type) && !isEmpty(groups.group_value)) {
        return groups;
    }
    const traits = isObject(message.traits) ? message.traits : {};
    const [group_type, group_value] = [config.groupTypeTrait, config.groupValueTrait].map((path) => path && get(traits, path));
    return isEmpty(group_type) || isEmpty(group_value) ? undefined : { group_type, group_value, group_properties: traits };
}

// https://amplitude.com/docs/apis/analytics/group-identify
function group(input, config) {
    const found = groupOf(input.message, config);
    const event = { ...base(input), event_type: '$identify' };
    if (found === undefined) {
        return [event];
    }
    event.groups = { [found.group_type]: found.group_value };
    event.user_properties[found.group_type] = found.group_value;
    return [event, form('groupidentify', 'identification', found, config)];
}

// Whose mapping ends: the user that the option names, or the event's own when it only says so
const unmapped = ({ userId }, { unmap }) => (unmap === true ? userId : unmap || undefined);

// https://amplitude.com/docs/apis/analytics/user-mapping-aliasing
function alias({ message, draft }, config) {
    const ended = unmapped(message, optionsOf(message));
    const mapping = {};
    if (isEmpty(ended) && !isEmpty(message.userId)) {
        mapping.global_user_id = message.userId;
    }
    mapping.user_id = isEmpty(ended) ? message.previousId : ended;
    if (isEmpty(mapping.user_id)) {
        throw new Dead('an alias needs a previousId');
    }
    mapping.user_properties = { ...draft.body?.user, ...campaign(message) };
    if (!isEmpty(ended)) {
        mapping.unmap = true;
    }
    return [form('usermap', 'mapping', mapping, config)];
}

const TYPES = { identify, track, page: view, screen: view, group, alias };

function requestOf(made, config) {
    if (made.url) {
        return made;
    }
    if (isEmpty(made.user_id) && isEmpty(made.device_id)) {
        throw new Dead('Amplitude needs a user id or a device id');
    }
    return upload('2/httpapi', [made], config);
}

export const transform = each((input, config) => {
    const type = typeOf(input.message);
    const { userId, anonymousId, previousId } = input.message;
    return TYPES[type](input, config).map((one) => {
        const { user_id = userId, device_id = anonymousId } = one;
        const named = [['user', user_id], ['user', previousId], ['device', device_id], ['owner', input.metadata?.userId]];
        const ids = named.filter(([, id]) => !isEmpty(id)).map(([kind, id]) => `${kind} ${id}`);
        const joins = !one.url && type !== 'group' && !input.metadata?.dontBatch;
        return { request: requestOf(one, config), keep: { ids, joins } };
    });
});

// ---- batches ----

// https://amplitude.com/docs/apis/analytics/batch-event-upload: 2000 events, 20 MB, 1000 a second of a user or device
function merged(results, config) {
    if (results.length === 1) {
        return results[0];
    }
    const events = [...new Set(results.flatMap((result) => result.events))].sort((a, b) => a - b);
    const owners = results.map((result) => events.indexOf(result.events[0]));
    return { events, request: upload('batch', results.flatMap((result) => result.request.json.events), config), keep: { owners } };
}

export const batch = (results, config, ctx) => batchesOf(results, ctx.limits).map((one) => merged(one, config));

// ---- answers ----

const LISTS = ['events_with_invalid_fields', 'events_with_missing_fields', 'events_with_invalid_id_lengths'];

// {index of an event: what is wrong with it}
function faults(body) {
    const found = new Map();
    for (const list of LISTS) {
        for (const [field, indexes] of Object.entries(isObject(body[list]) ? body[list] : {})) {
            [indexes].flat().forEach((index) => found.set(index, `${list.replace(/_/g, ' ')}: ${field}`));
        }
    }
    for (const index of Array.isArray(body.silenced_events) ? body.silenced_events : []) {
        found.set(index, 'Amplitude takes no events of this device');
    }
    return found;
}

// https://amplitude.com/docs/apis/analytics/http-api-batching-retries: nothing was taken; the others can go again
function partial(body, request) {
    const texts = new Map();
    for (const [index, text] of faults(body)) {
        texts.set(request.keep?.owners?.[index] ?? index, text);
    }
    if (texts.size === 0) {
        return undefined;
    }
    return request.events.map((_, i) => {
        const text = texts.get(i);
        return text ? { outcome: 'dead', text } : { outcome: 'retry', text: 'another event of the request was refused' };
    });
}

const THROTTLED = ['throttled_users', 'throttled_devices', 'exceeded_daily_quota_users', 'exceeded_daily_quota_devices'];

export function outcome(response, request) {
    const { status } = response;
    const body = isObject(response.body) ? response.body : {};
    // https://amplitude.com/docs/apis/analytics/http-v2: some users are too fast; others may go on
    if (status === 429 && THROTTLED.some((list) => !isEmpty(body[list]))) {
        return { outcome: 'retry', text: body.error ?? 'too many events of a user or a device' };
    }
    if (status === 400 && request.events.length > 1) {
        return partial(body, request);
    }
    return undefined;
}
