// HubSpot: what is read of an account while events are prepared. Every question is asked once a call.
import { AuthFailed, Dead, Retry, Throttled } from 'sluice';
import { chunk } from '_lib/values';

const API = 'https://api.hubapi.com';
const LEGACY_EVENTS = 'https://track.hubspot.com/v1/event';
// https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm
const SEARCH_PAGE = 100;
const SEARCH_VALUES = 100;

function refuse(what, { status, body }) {
    const text = `HubSpot does not give ${what}: ${status} ${body?.message ?? ''}`.trim();
    const kinds = { 401: AuthFailed, 403: AuthFailed, 429: Throttled, 408: Retry, 423: Retry, 477: Retry };
    const Kind = kinds[status] ?? (status >= 500 ? Retry : Dead);
    throw new Kind(text);
}

function memo(ask) {
    const known = new Map();
    return (...question) => {
        const key = JSON.stringify(question);
        if (!known.has(key)) {
            known.set(key, ask(...question));
        }
        return known.get(key);
    };
}

const additional = (record) => String(record.properties?.hs_additional_emails ?? '').toLowerCase().split(';');

// 0: the very value, 1: but for upper and lower case, which HubSpot does not tell apart, 2: a further e-mail address
function rankOf(record, property, value) {
    const held = String(record.properties?.[property]);
    const wanted = String(value).toLowerCase();
    if (held.toLowerCase() === wanted) {
        return held === String(value) ? 0 : 1;
    }
    return property === 'email' && additional(record).includes(wanted) ? 2 : undefined;
}

// Ids of the records with this value, the best first
function matching(records, property, value) {
    return records.map((record) => ({ id: record.id, rank: rankOf(record, property, value) }))
        .filter(({ rank }) => rank !== undefined).sort((a, b) => a.rank - b.rank).map(({ id }) => id);
}

function bulkQuestion(property, values, after) {
    const names = property === 'email' ? ['email', 'hs_additional_emails'] : [property];
    return {
        filterGroups: names.map((propertyName) => ({ filters: [{ propertyName, values, operator: 'IN' }] })),
        properties: names,
        limit: SEARCH_PAGE,
        after,
    };
}

export function hubspot(config, ctx) {
    const bearer = config.authorizationType === 'newPrivateAppApi';
    const headers = bearer ? { Authorization: `Bearer ${config.accessToken}` } : {};
    const query = bearer ? {} : { hapikey: config.apiKey };

    async function ask(what, request) {
        const answer = await ctx.http({ headers, query, ...request, url: `${API}${request.url}` });
        return answer.status >= 200 && answer.status < 300 ? answer.body : refuse(what, answer);
    }

    const search = (objectType, json) => ask(`the records of ${objectType}`, {
        method: 'POST',
        url: `/crm/v3/objects/${objectType}/search`,
        headers: { 'Content-Type': 'application/json', ...headers },
        json,
    });

    // {name: type} of contacts
    const contactTypes = memo(async () => {
        const list = await ask('the properties of contacts',
            { method: 'GET', url: '/properties/v1/contacts/properties', lookup: 'properties' });
        return Object.fromEntries((Array.isArray(list) ? list : []).map(({ name, type }) => [name, type]));
    });

    const definitions = memo(async (objectType) => {
        const answer = await ask(`the properties of ${objectType}`,
            { method: 'GET', url: `/crm/v3/properties/${objectType}`, lookup: 'properties' });
        return answer?.results ?? [];
    });

    // IN compares exactly, with values that are kept in lower case.
    const searchAll = memo(async (objectType, property, values) => {
        const records = [];
        const distinct = [...new Set(values.map((value) => String(value).toLowerCase()))];
        for (const some of chunk(distinct, SEARCH_VALUES)) {
            let after = 0;
            while (after !== undefined) {
                const answer = await search(objectType, bulkQuestion(property, some, after));
                records.push(...(answer?.results ?? []));
                after = answer?.paging?.next?.after;
            }
        }
        return records;
    });

    return {
        contactTypes,

        // Types of an object's own properties; those it does not tell are as contacts have them.
        async types(objectType) {
            const ofContacts = await contactTypes();
            const own = (await definitions(objectType)).filter(({ type }) => type);
            return { ...ofContacts, ...Object.fromEntries(own.map(({ name, type }) => [name, type])) };
        },

        async isUnique(objectType, property) {
            const list = await definitions(objectType);
            return list.some(({ name, hasUniqueValue }) => name === property && hasUniqueValue);
        },

        // Ids of records with this value: two at most
        findOne: memo(async (objectType, property, value) => {
            const answer = await search(objectType, {
                filterGroups: [{ filters: [{ propertyName: property, value, operator: 'EQ' }] }],
                sorts: ['ascending'],
                properties: [property],
                limit: 2,
                after: 0,
            });
            return (answer?.results ?? []).map(({ id }) => id);
        }),

        // The same by one search for all values, since HubSpot takes few searches a second; the best come first.
        async findAmong(objectType, property, values, value) {
            return matching(await searchAll(objectType, property, values), property, value);
        },

        request: (path, json) => ({ method: 'POST', url: `${API}${path}`, headers, query, json }),

        // Legacy events are told whose they are by _a, and know a private app's token alone.
        event: (parameters) => ({ method: 'GET', url: LEGACY_EVENTS, headers, query: parameters }),
    };
}
