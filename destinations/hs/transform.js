// HubSpot: contacts and events by the legacy or the new API, records and associations of reverse ETL.
// https://developers.hubspot.com/docs/api-reference/latest/crm/understanding-the-crm
import { Dead, each } from 'sluice';
import { chunk, get, groupBy, isEmpty, withoutEmpty } from '_lib/values';
import { externalId, externalIds, field, isMapped, mappedObject, typeOf } from '_lib/event';
import { hubspot } from '_lib/hs_account';
import { contactProperties, propertyName, recordProperties } from '_lib/hs_properties';

const CONTACTS = 'contacts';
// https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide
const RECORDS_PER_BATCH = 100;
// https://legacydocs.hubspot.com/docs/methods/contacts/batch_create_or_update
const LEGACY_CONTACTS_PER_BATCH = 1000;

const traitsOf = (message) => ({ ...message.context?.traits, ...message.traits });

// What tells the records of a batch apart in HubSpot's errors
const traceOf = ({ message, metadata }) => String(metadata.jobId ?? metadata.messageId ?? message.messageId ?? '');

const isAssociation = ({ type }) => String(type).toLowerCase() === 'hs-association';
const associationOf = (message) => externalIds(message).find(isAssociation);

// What the table makes of the event
const drafted = ({ draft }) => draft?.body ?? {};

// Contact fields by HubSpot's names: the standard ones of the table, then traits
function fieldsOf(event) {
    const standard = drafted(event);
    const traits = Object.entries(traitsOf(event.message)).map(([key, value]) => [propertyName(key), value]);
    return { ...standard, ...Object.fromEntries(traits), ...standard };
}

// `same`: what events have in common that write one record. HubSpot refuses a batch that names a record twice.
function write({ account }, action, objectType, input, [property, value]) {
    const same = `${property} ${property === 'email' ? String(value).toLowerCase() : value}`;
    return { request: account.request(`/crm/v3/objects/${objectType}/batch/${action}`, { inputs: [input] }), same };
}

// By a property with unique values: no search is needed
function upsert(call, event, objectType, [idProperty, value], properties) {
    const input = { id: String(value), idProperty, objectWriteTraceId: traceOf(event), properties };
    return write(call, 'upsert', objectType, input, [idProperty, value]);
}

// ---- identify

async function legacyContact(event, { account }) {
    const standard = drafted(event);
    if (isEmpty(standard.email)) {
        throw new Dead('the legacy API knows contacts by their e-mail address, and the event has none');
    }
    const { email, ...properties } = contactProperties(fieldsOf(event), await account.contactTypes(), standard);
    const list = Object.entries(properties).map(([property, value]) => ({ property, value }));
    return { request: account.request('/contacts/v1/contact/batch/', [{ email, properties: list }]) };
}

// The trait of this very name, which HubSpot's names for traits may have lost
const pick = (traits, name) => (isEmpty(traits[name]) ? {} : { [name]: traits[name] });

// What a contact is looked up by: {property, value}
function lookupOf(event, { config }) {
    const traits = traitsOf(event.message);
    const fields = isEmpty(traits) ? {} : { ...fieldsOf(event), ...pick(traits, config.lookupField) };
    const property = [config.lookupField, 'email'].find((name) => !isEmpty(fields[name]));
    return property && { property, value: fields[property] };
}

// The one contact's id; undefined: there is none
async function findContact({ property, value }, call) {
    const { account, events } = call;
    const contacts = events.filter(({ message }) => typeOf(message) === 'identify' && !isMapped(message));
    const lookups = contacts.map((event) => lookupOf(event, call)).filter((other) => other?.property === property);
    const values = [...new Set(lookups.map((other) => other.value))];
    const ids = values.length > 1 ? await account.findAmong(CONTACTS, property, values, value)
        : await account.findOne(CONTACTS, property, value);
    if (ids.length > 1) {
        throw new Dead(`several contacts have this ${property}: look up by a property with unique values`);
    }
    return ids[0];
}

async function contact(event, call) {
    const { account, config } = call;
    const lookup = lookupOf(event, call);
    if (!lookup) {
        throw new Dead(`the traits have neither ${config.lookupField} nor email: no contact can be looked up`);
    }
    const { property, value } = lookup;
    const properties = contactProperties(fieldsOf(event), await account.contactTypes(), drafted(event));
    if (await account.isUnique(CONTACTS, property)) {
        return upsert(call, event, CONTACTS, [property, value], properties);
    }
    const id = await findContact(lookup, call);
    return id ? write(call, 'update', CONTACTS, { id, properties }, ['id', id])
        : write(call, 'create', CONTACTS, { properties }, [property, value]);
}

// ---- reverse ETL

function association(message, { account }) {
    const { fromObjectType, toObjectType, associationTypeId } = associationOf(message);
    const { from, to } = traitsOf(message);
    if (isEmpty(from?.id) || isEmpty(to?.id) || isEmpty(fromObjectType) || isEmpty(toObjectType)) {
        throw new Dead('an association needs the ids and the object types of both its records');
    }
    const types = `${encodeURIComponent(fromObjectType)}/${encodeURIComponent(toObjectType)}`;
    const inputs = [{ to, from, type: associationTypeId }];
    return { request: account.request(`/crm/v3/associations/${types}/batch/create`, { inputs }) };
}

// Identifiers of all events of the call that name records of one object by one property
function identifiersLike(wanted, events) {
    const isLike = (one) => one && one.objectType === wanted.objectType && one.identifierType === wanted.identifierType;
    const all = events.map(({ message }) => isMapped(message) && mappedObject(message, 'HS'));
    return all.filter(isLike).map(({ id }) => id);
}

async function record(event, call) {
    const { account, events } = call;
    const object = mappedObject(event.message, 'HS');
    if (!object || isEmpty(object.id) || isEmpty(object.identifierType)) {
        throw new Dead('a row of reverse ETL needs an external id that says object, property and value');
    }
    const { id, identifierType } = object;
    const objectType = encodeURIComponent(object.objectType);
    const properties = recordProperties(field(event.message, 'traits') ?? {}, await account.types(objectType));
    if (await account.isUnique(objectType, identifierType)) {
        return upsert(call, event, objectType, [identifierType, id], properties);
    }
    const [found] = await account.findAmong(objectType, identifierType, identifiersLike(object, events), id);
    if (found) {
        return write(call, 'update', objectType, { id: found, properties }, ['id', found]);
    }
    const input = { properties: { ...properties, [identifierType]: id } };
    return write(call, 'create', objectType, input, [identifierType, id]);
}

// ---- track

// https://legacydocs.hubspot.com/docs/methods/enterprise_events/http_api
async function legacyEvent(event, { account, config }) {
    const { message } = event;
    if (isEmpty(config.hubID)) {
        throw new Dead('the settings lack the hub id');
    }
    const revenue = ['revenue', 'value'].map((name) => message.properties?.[name]).find((amount) => !isEmpty(amount));
    const properties = contactProperties(fieldsOf(event), await account.contactTypes(), drafted(event));
    const query = withoutEmpty({ _a: config.hubID, _n: message.event, _m: revenue, id: externalId(message, 'hubspotId') });
    return { request: account.event({ ...query, ...properties }) };
}

// https://developers.hubspot.com/docs/api-reference/latest/events/send-event-completions/guide
function behaviouralEvent(event, { account, config }) {
    const { message } = event;
    if (isEmpty(config.hubspotEvents)) {
        throw new Dead('the settings map no event to a custom behavioural event of HubSpot');
    }
    const name = message.event.trim().toLowerCase();
    const row = config.hubspotEvents.find(({ rsEventName }) => String(rsEventName ?? '').trim().toLowerCase() === name);
    if (isEmpty(row?.hubspotEventName)) {
        throw new Dead(`the settings do not map the event ${message.event} to one of HubSpot`);
    }
    const who = drafted(event);
    if (isEmpty(who.email) && isEmpty(who.utk) && isEmpty(who.objectId)) {
        throw new Dead('a behavioural event needs the email, utk or objectId of its contact');
    }
    const properties = { ...who.properties };
    for (const { from, to } of row.eventProperties ?? []) {
        const value = isEmpty(from) || isEmpty(to) ? undefined : get(message.properties ?? {}, from);
        if (value !== undefined && value !== null) {
            properties[to] = value;
        }
    }
    return { request: account.request('/events/v3/send', { ...who, eventName: row.hubspotEventName, properties }) };
}

// ---- one event

const IDENTIFY = { newApi: contact, legacyApi: legacyContact };
const TRACK = { newApi: behaviouralEvent, legacyApi: legacyEvent };

function checkSettings({ authorizationType, hubID, apiKey, accessToken }) {
    if (authorizationType === 'newPrivateAppApi') {
        if (isEmpty(accessToken)) {
            throw new Dead('the settings lack the access token');
        }
    } else if (isEmpty(hubID) || isEmpty(apiKey)) {
        throw new Dead('the settings lack the hub id or the API key');
    }
}

function requestFor(event, call) {
    const { message } = event;
    checkSettings(call.config);
    if (typeOf(message) === 'track') {
        if (isEmpty(message.event) || typeof message.event !== 'string') {
            throw new Dead('a track event needs a name, and the name must be a text');
        }
        return TRACK[call.config.apiVersion](event, call);
    }
    if (!isMapped(message)) {
        return IDENTIFY[call.config.apiVersion](event, call);
    }
    return associationOf(message) ? association(message, call) : record(event, call);
}

// keep: user and kind for the order of requests, what merges inputs, and of each event the place of its input
async function resultFor(event, call) {
    const { message, metadata } = event;
    const user = metadata.userId ?? message.userId ?? message.anonymousId;
    const { request, same } = await requestFor(event, call);
    const keep = { user, same, track: typeOf(message) === 'track', at: [0] };
    return { request, keep, alone: metadata.dontBatch === true };
}

export function transform(events, config, ctx) {
    const call = { events, config, account: hubspot(config, ctx) };
    return each(async (event) => resultFor(event, call))(events, config, ctx);
}

// ---- batches

const inputsOf = (body) => (Array.isArray(body) ? body : body?.inputs);

function mergeOne(results) {
    const inputs = [];
    const places = new Map();
    const at = results.map(({ request, keep: { same } }) => {
        const [input] = inputsOf(request.json);
        const place = places.get(same);
        if (place === undefined) {
            inputs.push({ ...input });
            if (same !== undefined) {
                places.set(same, inputs.length - 1);
            }
            return inputs.length - 1;
        }
        inputs[place].properties = { ...inputs[place].properties, ...input.properties };
        return place;
    });
    const { request, keep } = results[0];
    return {
        events: results.flatMap((result) => result.events),
        request: { ...request, json: Array.isArray(request.json) ? inputs : { ...request.json, inputs } },
        keep: { ...keep, at },
    };
}

// Inputs of one batch are told apart by one property.
const batchOf = ({ url, json }) => `${url} ${inputsOf(json)[0].idProperty ?? ''}`;

function merge(results) {
    const groups = groupBy(results, (result) => (result.alone || result.keep.track ? result : batchOf(result.request)));
    return [...groups.values()].flatMap((list) => {
        const size = Array.isArray(list[0].request.json) ? LEGACY_CONTACTS_PER_BATCH : RECORDS_PER_BATCH;
        return list[0].keep.track ? list : chunk(list, size).map(mergeOne);
    });
}

// A user's identify and track events keep their order, yet many users share a request: even stages write records,
// odd ones send events, and each event goes into the first stage of its kind that is not before its user's last one.
function stagesOf(results) {
    const reached = new Map();
    return groupBy(results, ({ keep }) => {
        const last = reached.get(keep.user) ?? 0;
        const stage = last % 2 === Number(keep.track) ? last : last + 1;
        reached.set(keep.user, stage);
        return stage;
    });
}

export function batch(results) {
    const stages = [...stagesOf(results).entries()].sort(([a], [b]) => a - b);
    return stages.flatMap(([, list]) => merge(list));
}

// ---- answers

// Where an error of a multi-status answer says which inputs it is about
const ERROR_PLACES = {
    objectWriteTraceId: (input) => input.objectWriteTraceId,
    ids: (input) => input.id,
    id: (input) => input.id,
    fromObjectId: (input) => input.from?.id,
};

function inputsOfError(error, inputs) {
    const found = [];
    for (const [name, valueOf] of Object.entries(ERROR_PLACES)) {
        const values = [error.context?.[name] ?? []].flat().map(String);
        inputs.forEach((input, i) => values.includes(String(valueOf(input))) && found.push(i));
    }
    return found;
}

const describe = (error) => [error.category, error.message].filter(Boolean).join(': ');

// An error that names no input is one of the whole batch.
function judgeRecords(body, request, inputs) {
    const errors = body.errors ?? [];
    if (errors.length === 0) {
        return Array.isArray(body.results) && body.results.length === 0
            ? { outcome: 'dead', text: 'HubSpot took the request and wrote no record' } : 'delivered';
    }
    const texts = new Map();
    for (const error of errors) {
        const places = inputsOfError(error, inputs);
        if (places.length === 0) {
            return { outcome: 'dead', text: describe(error) };
        }
        places.forEach((place) => texts.set(place, describe(error)));
    }
    const at = request.keep?.at ?? request.events.map((_, i) => i);
    return at.map((place) => (texts.has(place) ? { outcome: 'dead', text: texts.get(place) } : 'delivered'));
}

// A batch that is refused as a whole for one of its records is dead by its status: core sends its events again in
// smaller batches, and only what fails alone is dead for good.
export function outcome({ status, body }, request) {
    const inputs = inputsOf(request.json);
    if (status >= 200 && status < 300) {
        return inputs && body?.constructor === Object ? judgeRecords(body, request, inputs) : undefined;
    }
    if (status === 409 && request.events.length === 1 && request.url.endsWith('/batch/create')) {
        return { outcome: 'retry', text: 'the record was made meanwhile: it will be found and updated' };
    }
    return undefined;
}
