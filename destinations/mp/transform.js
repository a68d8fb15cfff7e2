// Mixpanel: events go to /import, profiles to /engage, groups to /groups. What the tables can't say: which traits are
// set once, united or appended; both kinds of identity merge; and whose record a partial failure names.
import { Dead, base64, byteLength, each } from 'sluice';
import { field, isApple, time, typeOf } from '_lib/event';
import { copy, first, get, isEmpty, isObject, number, set, without } from '_lib/values';
import { browser } from '_lib/user_agent';

const HOSTS = { us: 'https://api.mixpanel.com', eu: 'https://api-eu.mixpanel.com', in: 'https://api-in.mixpanel.com' };
// The order within a batch: an import may be repeated without harm ($insert_id), what is added to profiles may not.
const ENDPOINTS = ['import', 'engage', 'groups'];
const INSERT_ID_LENGTH = 36; // https://docs.mixpanel.com/reference/import-events#propertiesinsert_id
const EVENTS_YEARS = 5; // https://docs.mixpanel.com/docs/data-structure/events-and-properties: no older ones

const FIRST_NAMES = ['firstName', 'firstname', 'first_name'];
const LAST_NAMES = ['lastName', 'lastname', 'last_name'];

// https://docs.mixpanel.com/docs/data-structure/user-profiles: reserved properties, and the traits that fill them
const PROFILE = [
    ['$created', ['createdAt']],
    ['$email', ['email']],
    ['$first_name', FIRST_NAMES],
    ['$last_name', LAST_NAMES],
    ['$name', ['name']],
    ['$username', ['username', 'userName']],
    ['$phone', ['phone']],
    ['$avatar', ['avatar', 'avatarURL', 'avatar_URL']],
    ['$country_code', ['country', 'address.country']],
    ['$city', ['city', 'address.city']],
    ['$region', ['state', 'address.state', 'region', 'address.region']],
];
// of what is set once; otherwise it comes from the tables, for the event's properties may say it too
const ONCE = [...PROFILE, ['$unsubscribed', ['unsubscribed']]];
const PROFILE_TRAITS = new Set(ONCE.flatMap(([, paths]) => paths.map((path) => path.split('.')[0])));
const OLD_NAMES = [['$firstName', FIRST_NAMES], ['$lastName', LAST_NAMES]];
const LATE_NAMES = new Set(['$first_name', '$last_name']); // of the old mapping: under OLD_NAMES

// Traits of a group event are the group's: an id among them is no user's.
const GROUP_USER = ['userId', 'context.traits.userId', 'context.traits.id'];

// https://docs.mixpanel.com/reference/import-events#propertiesdistinct_id: ids are texts
const textOf = (id) => (typeof id === 'number' ? String(id) : id);
const userOf = (message) => textOf(typeOf(message) === 'group' ? first(message, GROUP_USER) : field(message, 'userIdOnly'));
const isSimplified = (config) => config.identityMergeApi === 'simplified';
const listed = (rows, key) => (rows ?? []).map((row) => row?.[key]).filter((name) => !isEmpty(name));

// https://docs.mixpanel.com/docs/tracking-methods/id-management/identifying-users-simplified: devices have a prefix
function distinctId(message, config) {
    const user = userOf(message);
    if (!isEmpty(user) || isEmpty(message.anonymousId)) {
        return user;
    }
    return isSimplified(config) ? `$device:${message.anonymousId}` : message.anonymousId;
}

// ---- requests ----

const engage = (config, record) => ({ endpoint: 'engage', record });
const owned = (message, config) => ({ $token: config.token, $distinct_id: distinctId(message, config) });

// Service accounts are for /import alone; profiles are told apart by the token in each record.
function importAuth({ serviceAccountUserName: user, serviceAccountSecret: secret, projectId, token }) {
    const service = !isEmpty(user) && !isEmpty(secret) && !isEmpty(projectId);
    return {
        headers: { Authorization: `Basic ${base64(service ? `${user}:${secret}` : `${token}:`)}` },
        query: service ? { project_id: projectId } : {},
    };
}

function request(endpoint, records, config) {
    const url = `${HOSTS[config.dataResidency] ?? HOSTS.us}/${endpoint}/`;
    if (endpoint !== 'import') {
        return { url, query: { verbose: 2 }, json: records };
    }
    const { headers, query } = config.importing;
    return { url, headers, query: { strict: config.strictMode ? 1 : 0, ...query }, json: records };
}

// ---- events ----

function eventTime(message, now) {
    const told = !isEmpty(message.timestamp) || !isEmpty(message.originalTimestamp);
    const ms = told ? time(message.timestamp) ?? time(message.originalTimestamp) : time(message.receivedAt);
    if (ms === undefined) {
        throw new Dead('neither timestamp nor originalTimestamp is a time');
    }
    const oldest = new Date(now);
    oldest.setUTCFullYear(oldest.getUTCFullYear() - EVENTS_YEARS);
    if (ms < oldest.getTime()) {
        throw new Dead(`an event must not be older than ${EVENTS_YEARS} years`);
    }
    return ms;
}

function browserOf(message) {
    const found = message.channel === 'web' ? browser(get(message, 'context.userAgent')) : undefined;
    return found ? { $browser: found.name, $browser_version: found.version } : {};
}

function campaignOf(message) {
    const out = {};
    const campaign = get(message, 'context.campaign');
    for (const [key, value] of Object.entries(isObject(campaign) ? campaign : {})) {
        out[key === 'name' ? 'utm_campaign' : `utm_${key}`] = value;
    }
    return out;
}

function traitsOfEvent(message, config) {
    const dropped = typeOf(message) === 'track' && config.dropTraitsInTrackEvent;
    const traits = get(message, 'context.traits');
    return !dropped && isObject(traits) ? traits : {};
}

function importRecord({ message, draft }, name, config, ctx) {
    const mapped = draft.body ?? {};
    const isView = typeOf(message) !== 'track';
    const properties = {
        ...(isObject(message.properties) ? message.properties : {}),
        ...traitsOfEvent(message, config),
        ...mapped,
        ...(mapped.$insert_id ? { $insert_id: mapped.$insert_id.slice(-INSERT_ID_LENGTH) } : {}),
        token: config.token,
        distinct_id: distinctId(message, config),
        time: eventTime(message, ctx.now),
        ...(isSimplified(config) ? { $device_id: message.anonymousId } : {}),
        ...(isView && message.name ? { name: message.name } : {}),
        ...(isView && message.category ? { category: message.category } : {}),
        ...campaignOf(message),
        ...browserOf(message),
    };
    return { endpoint: 'import', record: { event: name, properties } };
}

// https://docs.mixpanel.com/reference/profile-append-to-list-property: revenue is a list of transactions
function transaction(message, config, ctx) {
    const amount = number(get(message, 'properties.revenue'));
    if (!amount) {
        return [];
    }
    const $transactions = { $time: new Date(eventTime(message, ctx.now)).toISOString(), $amount: amount };
    return [engage(config, { $append: { $transactions }, ...owned(message, config) })];
}

function increments(message, config) {
    const $add = {};
    for (const name of listed(config.propIncrements, 'property')) {
        const value = get(message, `properties.${name}`);
        if (value !== undefined && value !== null && value !== '') {
            $add[name] = value;
        }
    }
    return isEmpty($add) ? [] : [engage(config, { $add, ...owned(message, config) })];
}

function track(event, config, ctx) {
    const { message } = event;
    return [
        ...transaction(message, config, ctx),
        ...increments(message, config),
        importRecord(event, message.event, config, ctx),
    ];
}

// "Viewed a {{ name }} page": paths of the event, or of its properties
const fill = (template, message) => template.replace(/\{\{\s*([\w.]+)\s*\}\}/g, (_, path) => {
    const value = first(message, [path, `properties.${path}`]);
    return value === undefined ? '' : String(value);
});

function view(event, config, ctx) {
    const page = typeOf(event.message) === 'page';
    const own = page ? config.useUserDefinedPageEventName : config.useUserDefinedScreenEventName;
    const template = page ? config.userDefinedPageEventTemplate : config.userDefinedScreenEventTemplate;
    const name = own && template ? fill(template, event.message).trim() : '';
    return [importRecord(event, name || (page ? 'Loaded a Page' : 'Loaded a Screen'), config, ctx)];
}

// ---- profiles ----

// Both sets of traits, those of the event itself first; what is taken out of the result stays in the event.
function traitsOf(message) {
    const own = isObject(message.traits) ? message.traits : {};
    const context = get(message, 'context.traits');
    return copy({ ...own, ...(isObject(context) ? context : {}), ...own });
}

function unset(traits, path) {
    const steps = path in traits ? [path] : path.split('.');
    const last = steps.pop();
    const holder = steps.reduce((at, step) => at?.[step], traits);
    delete holder[last];
}

// Moves the listed traits that hold something out of `traits`.
function take(traits, rows) {
    const taken = {};
    for (const path of listed(rows, 'property')) {
        const value = get(traits, path);
        if (value !== undefined && value !== null) {
            set(taken, path, value);
            unset(traits, path);
        }
    }
    return taken;
}

function mapped(traits, table, skipped = new Set()) {
    const out = {};
    for (const [name, paths] of table) {
        const value = skipped.has(name) ? undefined : first(traits, paths);
        if (value !== undefined) {
            out[name] = value;
        }
    }
    return out;
}

const custom = (traits) => Object.fromEntries(Object.entries(traits).filter(([key]) => !PROFILE_TRAITS.has(key)));

function fullName(traits) {
    const [firstName, lastName] = [first(traits, FIRST_NAMES), first(traits, LAST_NAMES)];
    return first(traits, ['name']) === undefined && firstName && lastName ? { $name: `${firstName} ${lastName}` } : {};
}

function deviceOf(message, { android, apple }) {
    const type = get(message, 'context.device.type');
    return isApple(type) ? apple : String(type).toLowerCase() === 'android' ? android : {};
}

function profileSet({ message, draft }, traits, taken, config) {
    const { about: said = {} } = draft.body ?? {};
    const about = 'unsubscribed' in taken ? without(said, ['$unsubscribed']) : said;
    return {
        ...mapped(traits, PROFILE, config.useNewMapping ? undefined : LATE_NAMES),
        ...about,
        ...fullName(traits),
        ...custom(traits),
        ...(config.useNewMapping ? {} : mapped(traits, OLD_NAMES)),
        ...deviceOf(message, draft.body ?? {}),
        ...browserOf(message),
    };
}

// https://docs.mixpanel.com/docs/tracking-methods/id-management/identifying-users-original: $merge joins two ids
function merge(message, config) {
    const user = userOf(message);
    if (isSimplified(config) || isEmpty(user) || isEmpty(message.anonymousId)) {
        return [];
    }
    const properties = { $distinct_ids: [user, message.anonymousId], token: config.token };
    return [{ endpoint: 'import', record: { event: '$merge', properties } }];
}

function identify(event, config) {
    const { message, draft } = event;
    const traits = traitsOf(message);
    const once = take(traits, config.setOnceProperties);
    const union = take(traits, config.unionProperties);
    const append = take(traits, config.appendProperties);
    const asList = (value) => (Array.isArray(value) ? value : [value]);
    const changes = {
        $set_once: { ...mapped(once, ONCE), ...custom(once) },
        $union: Object.fromEntries(Object.entries(union).map(([key, value]) => [key, asList(value)])),
        $append: append,
    };
    const { ip, location = {} } = draft.body ?? {};
    const whole = {
        $set: profileSet(event, traits, { ...once, ...union, ...append }, config),
        ...owned(message, config),
        ...(ip === undefined ? {} : { $ip: ip }),
        $time: time(message.timestamp) ?? time(message.originalTimestamp) ?? null,
        // https://docs.mixpanel.com/reference/profile-set: the profile's last seen time stays as it is
        ...(get(message, 'context.active') === false ? { $ignore_time: true } : {}),
        ...location,
    };
    return [
        ...Object.entries(changes).filter(([, value]) => !isEmpty(value))
            .map(([name, value]) => engage(config, { [name]: value, ...owned(message, config) })),
        engage(config, whole),
        ...merge(message, config),
    ];
}

// ---- groups, aliases ----

function group({ message, draft }, config) {
    const keys = listed(config.groupKeySettings, 'groupKey');
    if (keys.length === 0) {
        throw new Dead('the destination names no group keys');
    }
    const traits = field(message, 'groupTraits') ?? {};
    const { ip } = draft.body ?? {};
    const out = keys.flatMap((key) => {
        const value = get(traits, key);
        const ids = (Array.isArray(value) ? value : [value]).filter((id) => !isEmpty(id));
        if (ids.length === 0) {
            return [];
        }
        const person = { ...owned(message, config), $set: { [key]: ids }, ...(ip === undefined ? {} : { $ip: ip }) };
        const groups = ids.map((id) => ({ $token: config.token, $group_key: key, $group_id: id, $set: traits }));
        return [engage(config, person), ...groups.map((record) => ({ endpoint: 'groups', record }))];
    });
    if (out.length === 0) {
        throw new Dead(`the event has none of the group keys: ${keys.join(', ')}`);
    }
    return out;
}

// https://docs.mixpanel.com/reference/create-alias
function alias({ message }, config) {
    const user = userOf(message);
    const other = textOf(isEmpty(message.previousId) ? message.anonymousId : message.previousId);
    if (other === user) {
        throw new Dead('previousId or anonymousId is the userId itself');
    }
    const properties = { distinct_id: other, alias: user, token: config.token };
    return [{ endpoint: 'import', record: { event: '$create_alias', properties } }];
}

const TYPES = { identify, track, page: view, screen: view, group, alias };

const prepared = (config) => ({ ...config, importing: importAuth(config) });

const one = each((event, config, ctx) => {
    const { message, metadata } = event;
    const type = typeOf(message);
    const user = metadata?.userId || userOf(message) || message.anonymousId;
    return TYPES[type](event, config, ctx).map(({ endpoint, record }) => ({
        request: request(endpoint, [record], config),
        keep: { endpoint, type, user },
    }));
});

export const transform = (events, config, ctx) => one(events, prepared(config), ctx);

// ---- batches ----

// Runs of events of one type, as few as the order of each user's events allows.
function runsOf(results) {
    const runs = [];
    const lastOfUser = new Map();
    for (const result of results) {
        const { type, user } = result.keep;
        let at = lastOfUser.get(user) ?? 0;
        while (at < runs.length && runs[at].type !== type) {
            at += 1;
        }
        if (at === runs.length) {
            runs.push({ type, results: [] });
        }
        runs[at].results.push(result);
        lastOfUser.set(user, at);
    }
    return runs;
}

// https://docs.mixpanel.com/reference/import-events: 2000 events, 10 MB; profiles 2000, groups 200
function chunksOf(results, most, bytesMost) {
    const chunks = [];
    let bytes = 0;
    for (const result of results) {
        const size = byteLength(JSON.stringify(result.request.json)) + 1;
        const open = chunks.at(-1);
        if (!open || open.length === most || bytes + size > bytesMost) {
            chunks.push([]);
            bytes = 0;
        }
        chunks.at(-1).push(result);
        bytes += size;
    }
    return chunks;
}

function merged(chunk, endpoint, config) {
    const events = [...new Set(chunk.flatMap((result) => result.events))].sort((a, b) => a - b);
    const owners = chunk.map((result) => events.indexOf(result.events[0]));
    const { json, ...rest } = request(endpoint, chunk.flatMap((result) => result.request.json), config);
    const body = endpoint === 'import' ? { text: JSON.stringify(json), gzip: true } : { json };
    return { events, request: { ...rest, ...body }, keep: { owners } };
}

export function batch(results, settings, ctx) {
    const config = prepared(settings);
    return runsOf(results).flatMap((run) => ENDPOINTS.flatMap((endpoint) => {
        const mine = run.results.filter((result) => result.keep.endpoint === endpoint);
        const most = ctx.limits[`${endpoint}_max_batch_size`];
        return chunksOf(mine, most, ctx.limits.max_batch_bytes).map((chunk) => merged(chunk, endpoint, config));
    }));
}

// ---- answers ----

const isImport = (url) => /\/import\/?$/.test(url.split('?')[0]);

// https://docs.mixpanel.com/troubleshooting/errors/400-bad-request: the others of the batch are in
function partial(failed, request) {
    const texts = new Map();
    for (const record of failed) {
        const owner = request.keep?.owners?.[record.index] ?? record.index;
        texts.set(owner, `${record.field ?? 'event'}: ${record.message ?? 'refused'}`);
    }
    return request.events.map((_, i) => (texts.has(i) ? { outcome: 'dead', text: texts.get(i) } : 'delivered'));
}

export function outcome(response, request) {
    const { status, body } = response;
    if (isImport(request.url)) {
        const failed = body?.failed_records;
        return status === 400 && Array.isArray(failed) && failed.length > 0 ? partial(failed, request) : undefined;
    }
    // https://docs.mixpanel.com/reference/profile-set: errors of profiles come inside a 200
    if (status >= 200 && status < 300 && isObject(body) && (body.error || body.status === 0)) {
        return { outcome: 'dead', text: String(body.error ?? 'refused') };
    }
    return undefined;
}
