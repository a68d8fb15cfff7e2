// Customer.io: each event by itself is a request of the track API's first version; batch() gathers the same operations
// for its second version, which takes people, devices, groups and merges in one body.
import { Dead, byteLength, each } from 'sluice';
import { field, isApple, isMapped, mappedObject, time, typeOf } from '_lib/event';
import { get, isEmpty, isObject, without, withoutUndefined } from '_lib/values';

const HOSTS = { US: 'https://track.customer.io', EU: 'https://track-eu.customer.io' };
const REGISTERING = ['Application Installed', 'Application Opened'];
const UNREGISTERING = 'Application Uninstalled';
const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@.]{2,}$/;
// https://docs.customer.io/integrations/api/track/: limits of identifiers, names of anonymous events, operations
const IDENTIFIER_BYTES = 150;
const ANONYMOUS_NAME_BYTES = 100;
const OPERATION_BYTES = 32000;

const OWN_IDENTIFIERS = ['id', 'email']; // cio_id is Customer.io's own

const hostOf = (config) => HOSTS[config.datacenter] ?? HOSTS.US;
const DIGITS = /^\d+$/;
const MILLISECONDS_FROM = 1e11;

// of a time in seconds, in milliseconds or as text
function seconds(value) {
    const ms = DIGITS.test(value) ? Number(value) : time(value);
    return ms === undefined || (ms < MILLISECONDS_FROM && DIGITS.test(value)) ? ms : Math.floor(ms / 1000);
}

// ---- who ----

const named = (id) => (EMAIL.test(id) ? { email: id } : { id });

function checked(id) {
    if (byteLength(id) > IDENTIFIER_BYTES) {
        throw new Dead(`an identifier must not be longer than ${IDENTIFIER_BYTES} bytes`);
    }
    return id;
}

// How version 2 calls the person of an event. Rows of reverse ETL say by what they identify.
function identifiers(message, { id, email, anonymousId }) {
    const mapped = isMapped(message) ? mappedObject(message, 'CUSTOMERIO') : undefined;
    if (['id', 'email', 'cio_id'].includes(mapped?.identifierType) && !isEmpty(mapped.id)) {
        return { [mapped.identifierType]: checked(String(mapped.id)) };
    }
    if (id) {
        return named(checked(id));
    }
    return email ? { email: checked(email) } : { anonymous_id: checked(anonymousId) };
}

const customerUrl = (config, { id, email }) => `${hostOf(config)}/api/v1/customers/${encodeURIComponent(id ?? email)}`;

// ---- people ----

function traitsOf(message) {
    const traits = isEmpty(message.traits) ? get(message, 'context.traits') : message.traits;
    return isObject(traits) ? traits : {};
}

// The address is spread over the person's attributes; times are in seconds. `more`: weaker than the traits.
function attributesOf(message, { anonymousId, timestamp }, more) {
    const traits = traitsOf(message);
    const created = seconds(field(message, 'createdAtOnly'));
    const mapped = isMapped(message) ? mappedObject(message, 'CUSTOMERIO') : undefined;
    return withoutUndefined({
        ...(isObject(traits.address) ? traits.address : {}),
        ...(isObject(more) ? more : {}),
        ...without(traits, [
            'anonymousId',
            ...(isObject(traits.address) ? ['address'] : []),
            ...(created === undefined ? [] : ['createdAt']),
        ]),
        created_at: created ?? traits.created_at,
        ...(OWN_IDENTIFIERS.includes(mapped?.identifierType) ? { [mapped.identifierType]: mapped.id } : {}),
        _timestamp: timestamp,
        anonymous_id: anonymousId,
    });
}

function identify({ message, draft }, config) {
    const { body } = draft;
    return {
        request: {
            method: 'PUT',
            url: customerUrl(config, body),
            json: attributesOf(message, body, message.user_properties),
        },
        operation: {
            type: 'person',
            action: 'identify',
            identifiers: identifiers(message, body),
            attributes: attributesOf(message, body),
        },
    };
}

function alias({ message, draft }, config) {
    const ids = { primary: named(checked(draft.body.id)), secondary: named(checked(String(message.previousId))) };
    return {
        request: { url: `${hostOf(config)}/api/v1/merge_customers`, json: ids },
        operation: { type: 'person', action: 'merge', ...ids },
    };
}

// ---- devices ----

function device({ draft }, properties) {
    const { device: { token, platform, attributes = {} }, timestamp } = draft.body;
    const common = withoutUndefined({ platform: isApple(platform) ? 'ios' : platform, last_used: timestamp });
    return {
        first: { ...properties, id: token, ...common },
        second: { token, ...common, attributes: { ...attributes, ...properties } },
    };
}

function addDevice(event, config) {
    const { message, draft } = event;
    const { first, second } = device(event, isObject(message.properties) ? message.properties : {});
    return {
        request: { method: 'PUT', url: `${customerUrl(config, draft.body)}/devices`, json: { device: first } },
        operation: {
            type: 'person', action: 'add_device', identifiers: identifiers(message, draft.body), device: second,
        },
    };
}

function deleteDevice({ message, draft }, config) {
    const { token } = draft.body.device;
    return {
        request: { method: 'DELETE', url: `${customerUrl(config, draft.body)}/devices/${encodeURIComponent(token)}` },
        operation: {
            type: 'person', action: 'delete_device', identifiers: identifiers(message, draft.body), device: { token },
        },
    };
}

// ---- events ----

function cut(text, bytes) {
    let out = text.slice(0, bytes);
    while (byteLength(out) > bytes) {
        out = Array.from(out).slice(0, -1).join('');
    }
    return out;
}

// `kind`: version 2's action; version 1 knows no screens.
function happened({ message, draft }, config, kind, name) {
    const { id, email, anonymousId, timestamp } = draft.body;
    const anonymous = !id && !email;
    const short = anonymous && name ? cut(name, ANONYMOUS_NAME_BYTES) : name;
    const type = kind === 'screen' ? 'event' : kind;
    const json = withoutUndefined({ type, name: short, data: message.properties, timestamp });
    return {
        request: anonymous
            ? { url: `${hostOf(config)}/api/v1/events`, json: { ...json, anonymous_id: anonymousId } }
            : { url: `${customerUrl(config, draft.body)}/events`, json },
        operation: withoutUndefined({
            type: 'person', action: kind, identifiers: identifiers(message, draft.body), name: short,
            attributes: message.properties, timestamp,
        }),
    };
}

function track(event, config) {
    const { message, draft } = event;
    if (message.event === UNREGISTERING) {
        return deleteDevice(event, config);
    }
    const registers = REGISTERING.includes(message.event) || message.event === config.deviceTokenEventName;
    const known = draft.body.id || draft.body.email;
    return registers && known && draft.body.device?.token
        ? addDevice(event, config)
        : happened(event, config, 'event', String(message.event));
}

const page = (event, config) => {
    const { message } = event;
    return happened(event, config, 'page', message.name || get(message, 'properties.url'));
};

const screen = (event, config) => {
    const { message } = event;
    const name = message.event || message.name || get(message, 'properties.name');
    return happened(event, config, 'screen', name ? `Viewed ${name} Screen` : undefined);
};

// ---- groups, records ----

const batchUrl = (config) => `${hostOf(config)}/api/v2/batch`;

// Groups exist in version 2 alone.
function group({ draft }, config) {
    const { object, objectType, action, id, email, attributes = {} } = draft.body;
    const person = id ? named(checked(id)) : email && { email: checked(email) };
    const operation = {
        type: 'object',
        action,
        identifiers: { object_id: checked(object), object_type_id: objectType },
        attributes,
        ...(person ? { cio_relationships: [{ identifiers: person }] } : {}),
    };
    return { request: { url: batchUrl(config), json: operation }, operation };
}

const IDENTIFIERS = ['cio_id', 'id', 'email'];

// A row of reverse ETL: its first identifier is the person, the other columns are attributes.
function record({ message, connection }, config) {
    const row = { ...message.fields, ...message.identifiers };
    const by = IDENTIFIERS.find((key) => !isEmpty(row[key]));
    const object = get(connection ?? {}, 'config.destination.object');
    if (!by) {
        throw new Dead('a record needs an id or an e-mail address');
    }
    if (!RECORDS[object]?.[message.action]) {
        throw new Dead(`${message.action} of ${object ?? 'an object that the connection does not name'} is not possible`);
    }
    const person = { type: 'person', identifiers: { [by]: checked(String(row[by])) } };
    const operation = RECORDS[object][message.action](person, without(row, [by]));
    return { request: { url: batchUrl(config), json: { batch: [operation] } }, operation };
}

const attributesIn = (rest) => (isEmpty(rest) ? {} : { attributes: rest });
const identifyRow = ({ type, identifiers: who }, rest) => ({
    type, action: 'identify', identifiers: who, ...attributesIn(rest),
});
const deleteRow = ({ type, identifiers: who }) => ({ type, action: 'delete', identifiers: who });
const eventRow = ({ type, identifiers: who }, { event: name, ...rest }) => {
    if (isEmpty(name)) {
        throw new Dead('a record of an event needs the column event');
    }
    return { type, action: 'event', identifiers: who, name: String(name), ...attributesIn(rest) };
};
const RECORDS = {
    person: { insert: identifyRow, update: identifyRow, delete: deleteRow },
    event: { insert: eventRow, update: eventRow },
};

const TYPES = { identify, alias, track, page, screen, group, record };

export const transform = each((event, config) => {
    const { request, operation } = TYPES[typeOf(event.message)](event, config);
    return { request, keep: operation, alone: Boolean(event.metadata?.dontBatch) };
});

// ---- batches ----

// https://docs.customer.io/integrations/api/track/#operation/batch: 500 kB, each operation 32 kB
export function batch(results, config, ctx) {
    const { max_batch_size: most, max_batch_bytes: bytesMost } = ctx.limits;
    const wrapping = byteLength('{"batch":[]}');
    const out = [];
    let open;
    let bytes = 0;
    for (const { events, keep: operation, alone } of results) {
        const size = byteLength(JSON.stringify(operation)) + 1;
        if (size > OPERATION_BYTES) {
            out.push({ events, dead: `an operation must not be larger than ${OPERATION_BYTES} bytes` });
            continue;
        }
        if (!open || alone || open.alone || open.events.length === most || bytes + size > bytesMost) {
            const headers = { 'Content-Type': 'application/json' };
            open = { events: [], alone, request: { url: batchUrl(config), headers, json: { batch: [] } } };
            out.push(open);
            bytes = wrapping;
        }
        open.events.push(...events);
        open.request.json.batch.push(operation);
        bytes += size;
    }
    return out;
}

// A 207 names the operations that were refused; the others are done.
export function outcome({ status, body }, request) {
    const errors = body?.errors;
    if (status < 200 || status >= 300 || !Array.isArray(errors) || errors.length === 0) {
        return undefined;
    }
    const texts = new Map(errors.map(({ batch_index: at, field, message, reason }) => [
        at, [field, message ?? reason].filter(Boolean).join(': ') || 'refused',
    ]));
    return request.events.map((_, i) => (texts.has(i) ? { outcome: 'dead', text: texts.get(i) } : 'delivered'));
}
