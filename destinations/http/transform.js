// HTTP Webhook: method, URL, headers, parameters and body as the settings map them from the event.
import { Dead, base64, byteLength, each } from 'sluice';
import { isEmpty } from '_lib/values';
import { parsePath, readPath, writePath } from '_lib/json_path';
import { xml } from '_lib/xml';

const FORMATS = {
    JSON: { type: 'application/json', body: (json) => ({ json }) },
    XML: { type: 'application/xml', body: (object, { xmlRootKey }) => ({ xml: xml(xmlRootKey, object) }) },
    FORM: { type: 'application/x-www-form-urlencoded', body: (form) => ({ form }) },
};

const AUTHS = {
    noAuth: () => ({}),
    basicAuth: ({ username, password = '' }) => ({ Authorization: `Basic ${base64(`${username}:${password}`)}` }),
    bearerTokenAuth: ({ bearerToken }) => ({ Authorization: `Bearer ${bearerToken}` }),
    apiKeyAuth: ({ apiKeyName, apiKeyValue }) => ({ [apiKeyName]: apiKeyValue }),
};

// ---- what settings say of an event ----

const QUOTED = /^'([^']*)'$/;
const LITERAL = /^(?:true|false|-?\d+(?:\.\d+)?)$/;
const WORDS = /^[^$|?'"()[\]{};=<>]+$/;
const FALLBACKS = /\s*(?:\|\||\?\?)\s*(?=(?:[^']*'[^']*')*[^']*$)/;

const paths = (value) => (value.trim() === '$' ? [] : parsePath(value));

// A path, a 'text' or a number, each as a function of the event
function operand(source) {
    const text = source.trim();
    const steps = text.startsWith('$') ? paths(text) : undefined;
    if (steps) {
        // a list that is not there is an empty one
        return (message) => readPath(message, steps) ?? (text.includes('[*]') ? [] : undefined);
    }
    if (LITERAL.test(text)) {
        return () => JSON.parse(text);
    }
    return QUOTED.test(text) ? () => text.match(QUOTED)[1] : undefined;
}

function expression(source) {
    const text = String(source).trim();
    const parts = text.split(FALLBACKS).map(operand);
    if (parts.every(Boolean)) {
        return (message) => parts.map((part) => part(message)).find((value) => !isEmpty(value)) ?? parts.at(-1)(message);
    }
    if (WORDS.test(text)) {
        return () => text;
    }
    throw new Dead(`the settings map from "${text}", which is neither a path like $.traits.email nor a constant`);
}

function target(text) {
    if (!String(text).trim().startsWith('$')) {
        return [String(text).trim()];
    }
    const steps = parsePath(text);
    if (!steps) {
        throw new Dead(`the settings map to "${text}", which is no path like $.user.email`);
    }
    return steps;
}

const compile = (rows) => rows.filter(({ to, from }) => !isEmpty(to) && !isEmpty(from))
    .map(({ to, from }) => ({ steps: target(to), value: expression(from) }));

const compiled = new WeakMap(); // rows of settings: the same for many events

function mapped(rows, message) {
    const out = {};
    if (rows && !compiled.has(rows)) {
        compiled.set(rows, compile(rows));
    }
    for (const { steps, value } of rows ? compiled.get(rows) : []) {
        writePath(out, steps, value(message));
    }
    return out;
}

// ---- a request ----

function urlOf({ apiUrl, pathParams }, message) {
    const parts = (pathParams ?? []).filter(({ path }) => !isEmpty(path)).map(({ path }) => {
        const value = expression(path)(message);
        if (isEmpty(value) || typeof value === 'object') {
            throw new Dead(`the URL needs a text or a number at ${path}`);
        }
        return `/${encodeURIComponent(value)}`;
    });
    const [, base, query] = apiUrl.match(/^([^?]*)(.*)$/);
    return parts.length > 0 ? `${base.replace(/\/+$/, '')}${parts.join('')}${query}` : apiUrl;
}

// A Content-Type that the settings name goes behind that of the format: core sends the last one.
const headersOf = (config, message) => ({
    'Content-Type': FORMATS[config.format].type,
    ...AUTHS[config.auth](config),
    ...mapped(config.headers, message),
});

function request({ message, metadata }, config) {
    const body = config.isDefaultMapping ? message : mapped(config.propertiesMapping, message);
    const to = {
        method: config.method,
        url: urlOf(config, message),
        headers: headersOf(config, message),
        query: mapped(config.queryParams, message),
    };
    const kind = isEmpty(body) ? {} : FORMATS[config.format].body(body, config);
    return { request: { ...to, ...kind }, keep: { to, body }, alone: Boolean(metadata?.dontBatch) };
}

export const transform = each(request);

// ---- batches ----

// Only JSON has arrays. An event whose body is empty has no element; an array without any is sent too, as the original
// sends it.
const together = ({ to, bodies, events }) => ({ events, request: { ...to, json: bodies } });

export function batch(results, config, ctx) {
    if (!config.isBatchingEnabled || config.format !== 'JSON') {
        return results;
    }
    const most = Math.max(1, config.maxBatchSize);
    const open = new Map();
    const out = [];
    for (const { events, keep: { to, body }, alone } of results) {
        const key = JSON.stringify(to);
        const size = byteLength(JSON.stringify(body)) + 1;
        let found = open.get(key);
        if (!found || alone || found.events.length >= most || found.bytes + size > ctx.limits.max_batch_bytes) {
            found = { to, bodies: [], events: [], bytes: 0 };
            out.push(found);
            if (!alone) {
                open.set(key, found);
            }
        }
        found.events.push(...events);
        found.bytes += size;
        found.bodies.push(...(isEmpty(body) ? [] : [body]));
    }
    return out.map(together);
}
