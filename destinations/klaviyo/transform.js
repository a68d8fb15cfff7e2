// Klaviyo: profiles, events and subscriptions to lists, in three revisions of its API.
import { Dead, Retry, Throttled, each } from 'sluice';
import { externalId, externalIds, field, integration, isMapped, typeOf } from '_lib/event';
import { first, flatten, get, isEmpty, withoutEmpty } from '_lib/values';

const API = 'https://a.klaviyo.com/api';
const NAMES = ['KLAVIYO', 'Klaviyo', 'klaviyo'];
const PROFILE_ID = 'klaviyo-profileId';

// https://developers.klaviyo.com/en/reference/create_event: a metric's name has fewer than 128 characters
const LONGEST_METRIC = 127;

// What a row of reverse ETL may be identified by, and the attribute that it is then.
const IDENTIFIERS = new Map([['email', 'email'], ['phone', 'phone_number'], ['phone_number', 'phone_number']]);

// Events that Klaviyo's own shop integrations have another name and other properties for (only in the oldest revision).
// https://developers.klaviyo.com/en/v2023-01-24/docs/guide_to_integrating_a_platform_without_a_pre_built_klaviyo_integration
const VIEWED = { metric: 'Viewed Product', properties: (shop) => shop.viewed };
const SHOP = new Map([
    ['product viewed', VIEWED],
    ['product clicked', VIEWED],
    ['product added', { metric: 'Added to Cart', properties: (shop) => ({ ...shop.added, items: shop.items }) }],
    ['checkout started', { metric: 'Started Checkout', properties: (shop) => ({ ...shop.started, items: shop.items }) }],
]);

// https://developers.klaviyo.com/en/reference/bulk_subscribe_profiles: at most 1000 profiles (100 in old revisions);
// https://developers.klaviyo.com/en/reference/bulk_unsubscribe_profiles: at most 100
const SUBSCRIBE = { type: 'profile-subscription-bulk-create-job', word: 'SUBSCRIBED', profiles: 1000 };
const UNSUBSCRIBE = { type: 'profile-subscription-bulk-delete-job', word: 'UNSUBSCRIBED', profiles: 100 };
const OLD_SUBSCRIBE = { ...SUBSCRIBE, profiles: 100 };

// The attribute that a channel's messages are sent to: a channel without it can't be subscribed to.
const CHANNELS = { email: 'email', sms: 'phone_number' };

const WORDS = {
    email: 'an e-mail address',
    phone_number: 'a phone number',
    external_id: 'a user id',
    anonymous_id: 'an anonymous id',
    _kx: 'an exchange id',
    $email: 'an e-mail address',
    $phone_number: 'a phone number',
    $id: 'a user id',
};

const HANDLERS = { identify, track: recordEvent, screen: recordEvent, group: subscribeToGroup };

export const transform = each((event, config, ctx) => HANDLERS[typeOf(event.message)](event, config, ctx));

const isOld = (config) => config.apiVersion === 'v1';

// ---- profiles ----

function identify(event, config, ctx) {
    const { message, draft } = event;
    const profile = readProfile(message, draft.body.profile, config);
    const options = first(message, ['traits.properties', 'context.traits.properties']) ?? {};
    const subscription = identifySubscription(event, profile, options, config);
    if (isOld(config)) {
        return createThenUpdate(profile, config, ctx).then((update) => [update, ...subscription]);
    }
    const meta = { patch_properties: patchOf(message, profile) };
    profile.properties = shapeProperties(profile.properties, config);
    return [post('profile-import', { data: { ...identifiedProfile(message, profile), meta } }), ...subscription];
}

const post = (path, json) => ({ method: 'POST', url: `${API}/${path}`, json });

function idOf(message) {
    const id = externalId(message, PROFILE_ID);
    return isEmpty(id) ? {} : { id };
}

function identifiedProfile(message, attributes) {
    const id = idOf(message);
    if (!id.id) {
        requireAny(attributes, ['email', 'phone_number', 'external_id', 'anonymous_id', '_kx']);
    }
    return { type: 'profile', ...id, attributes };
}

function readProfile(message, draft = {}, config = {}) {
    const profile = { ...draft, properties: { ...draft.properties } };
    if (isMapped(message)) {
        applyRowIdentifier(profile, externalIds(message)[0] ?? {});
    }
    if (config.enforceEmailAsPrimary) {
        moveUserId(profile, 'external_id', profile.properties);
        requireAny(profile, ['email', 'phone_number']);
    }
    if (!isOld(config)) {
        checkPhone(profile.phone_number);
    }
    return profile;
}

function applyRowIdentifier(profile, { id, identifierType }) {
    if (isEmpty(id)) {
        return;
    }
    profile.external_id = id;
    const attribute = IDENTIFIERS.get(identifierType);
    if (attribute) {
        profile[attribute] = id;
    }
}

// The user id becomes a property, so that it identifies nobody.
function moveUserId(profile, key, properties) {
    if (profile[key] !== undefined) {
        properties._id = profile[key];
        delete profile[key];
    }
}

function requireAny(profile, keys) {
    if (keys.every((key) => isEmpty(profile[key]))) {
        throw new Dead(`Klaviyo knows nobody by this event: it needs ${keys.map((key) => WORDS[key]).join(' or ')}`);
    }
}

// Klaviyo refuses what is not E.164: a plus, the country's code, at most 15 digits. Blanks and punctuation between are let through.
// https://developers.klaviyo.com/en/reference/create_or_update_profile
function checkPhone(phone) {
    if (!isEmpty(phone) && !/^\+[1-9]\d{6,14}$/.test(String(phone).replace(/[\s().-]/g, ''))) {
        throw new Dead('the phone number is not in the E.164 format');
    }
}

// https://developers.klaviyo.com/en/reference/create_or_update_profile: patch_properties
function patchOf(message, profile) {
    const options = integration(message, NAMES) ?? {};
    const unset = Array.isArray(options.fieldsToUnset) || typeof options.fieldsToUnset === 'string' ? options.fieldsToUnset : undefined;
    return withoutEmpty({
        append: takeOut(profile.properties, options.fieldsToAppend),
        unappend: takeOut(profile.properties, options.fieldsToUnappend),
        unset,
    });
}

function takeOut(properties, keys) {
    const taken = {};
    for (const key of Array.isArray(keys) ? keys : []) {
        if (Object.hasOwn(properties, key)) {
            taken[key] = properties[key];
            delete properties[key];
        }
    }
    return taken;
}

const shapeProperties = (properties, config) => (config.flattenProperties ? flatten(properties, { lists: true }) : properties);

// The oldest revision has no upsert: the profile is created; if there is one already, the answer names it, and it is updated.
// https://developers.klaviyo.com/en/v2023-02-22/reference/create_profile
async function createThenUpdate(profile, config, ctx) {
    profile.properties = shapeProperties(profile.properties, config);
    requireAny(profile, ['external_id', 'email', 'phone_number']);
    const data = { type: 'profile', attributes: profile };
    const response = await ctx.http({ ...post('profiles', { data }), headers: headers(config) });
    const id = createdId(response);
    return { method: 'PATCH', url: `${API}/profiles/${encodeURIComponent(id)}`, json: { data: { ...data, id } } };
}

const headers = (config) => ({
    Authorization: `Klaviyo-API-Key ${config.privateApiKey}`,
    'Content-Type': 'application/json',
    Accept: 'application/json',
    revision: '2023-02-22',
});

function createdId({ status, body }) {
    const id = status === 409 ? body?.errors?.[0]?.meta?.duplicate_profile_id : body?.data?.id;
    if (id) {
        return id;
    }
    const sentence = `Klaviyo did not create the profile (status ${status}): ${problem(body)}`;
    if (status === 429) {
        throw new Throttled(sentence);
    }
    throw status >= 400 && status < 500 ? new Dead(sentence) : new Retry(sentence);
}

const problem = (body) => body?.errors?.map(({ detail, title }) => detail ?? title).join('; ') ?? 'no reason given';

// ---- events ----

function recordEvent(event, config) {
    const { metric } = event.draft.body.event;
    if (metric.length > LONGEST_METRIC) {
        throw new Dead(`the event's name has ${metric.length} characters, Klaviyo takes at most ${LONGEST_METRIC}`);
    }
    return post('events', { data: { type: 'event', attributes: (isOld(config) ? oldEvent : newEvent)(event, config) } });
}

function newEvent({ message, draft }, config) {
    const profile = readProfile(message, draft.body.profile, config);
    const { metric, properties = {}, ...rest } = draft.body.event;
    profile.meta = { patch_properties: patchOf(message, profile) };
    profile.properties = shapeProperties(profile.properties, config);
    return {
        ...rest,
        metric: { data: { type: 'metric', attributes: { name: metric } } },
        profile: { data: identifiedProfile(message, profile) },
        properties: shapeProperties(properties, config),
    };
}

function oldEvent({ draft }, config) {
    const { event, custom = {}, shop = {} } = draft.body;
    const profile = { ...draft.body.profile, ...shapeProperties(custom, config) };
    if (config.enforceEmailAsPrimary) {
        moveUserId(profile, '$id', profile);
        requireAny(profile, ['$email', '$phone_number']);
    }
    requireAny(profile, ['$email', '$phone_number', '$id']);
    const known = SHOP.get(event.metric.trim().toLowerCase());
    const { metric, value, properties = {}, ...rest } = event;
    if (known) {
        const named = known.properties(shop) ?? {};
        return { ...rest, metric: { name: known.metric }, profile, properties: shapeProperties(named, config) };
    }
    return { ...rest, value, metric: { name: metric }, profile, properties: shapeProperties(properties, config) };
}

// ---- subscriptions ----

function identifySubscription(event, profile, { listId, subscribe, consent }, config) {
    const list = isEmpty(listId) ? config.listId : listId;
    const wanted = subscribe === true || (subscribe === false && !isOld(config));
    return isEmpty(list) || !wanted ? [] : [subscriptionOf(event, profile, { list, subscribe, consent }, config)];
}

function subscribeToGroup(event, config) {
    const { message, draft } = event;
    const traits = field(message, 'groupTraits') ?? {};
    if (typeof traits.subscribe !== 'boolean') {
        throw new Dead('traits.subscribe must be true or false: a group event subscribes a user to a list');
    }
    if (!traits.subscribe && isOld(config)) {
        throw new Dead('the revision 2023-02-22 can only subscribe; choose a later API version');
    }
    const profile = draft.body.profile ?? {};
    if (!isOld(config)) {
        checkPhone(profile.phone_number);
    }
    const consent = isEmpty(traits.consent) && !isOld(config) ? get(message, 'context.traits.consent') : traits.consent;
    const source = isOld(config) || !traits.subscribe ? undefined : traits.custom_source;
    const options = { list: field(message, 'groupId'), subscribe: traits.subscribe, consent, source };
    return subscriptionOf(event, profile, options, config);
}

// keep: what batch() needs to know of it. Those of identify and of group events stay apart.
function subscriptionOf({ message, metadata }, { email, phone_number }, { consent, ...options }, config) {
    const user = withoutEmpty({ email, phone_number });
    requireAny(user, ['email', 'phone_number']);
    const keep = { ...options, old: isOld(config), from: typeOf(message), alone: metadata?.dontBatch === true };
    const job = jobKind(keep);
    const channels = namesChannels(job, config) ? channelsOf(user, consent, config) : undefined;
    const profile = isOld(config) ? oldSubscriber(user, channels) : subscriber(message, user, channels, job);
    return { request: jobRequest(keep, [profile]), keep };
}

const jobKind = ({ old, subscribe }) => (!subscribe ? UNSUBSCRIBE : old ? OLD_SUBSCRIBE : SUBSCRIBE);

// Unsubscribing names channels only since 2026-04-15: without them all are left.
// https://developers.klaviyo.com/en/reference/bulk_unsubscribe_profiles
const namesChannels = (job, config) => job !== UNSUBSCRIBE || config.apiVersion === 'v3';

// The event's channels, else the configured ones, that the user can be reached on. undefined: nobody said which.
function channelsOf(user, consent, config) {
    const asked = [isEmpty(consent) ? config.consent : consent].flat().filter((channel) => Object.hasOwn(CHANNELS, channel));
    const channels = asked.filter((channel) => user[CHANNELS[channel]]);
    if (channels.length > 0) {
        return channels;
    }
    if (asked.length > 0 || config.apiVersion === 'v3') {
        throw new Dead('no consented channel has the address it needs: email an e-mail address, sms a phone number');
    }
    return undefined;
}

// Unsubscribing takes no profile id.
function subscriber(message, user, channels, job) {
    const consents = channels?.map((channel) => [channel, { marketing: { consent: job.word } }]);
    const attributes = consents ? { ...user, subscriptions: Object.fromEntries(consents) } : user;
    return { type: 'profile', ...(job === SUBSCRIBE ? idOf(message) : {}), attributes };
}

const oldSubscriber = (user, channels) => ({
    ...user,
    ...(channels && { channels: Object.fromEntries(channels.map((channel) => [channel, ['MARKETING']])) }),
});

function jobRequest(keep, profiles) {
    const { type } = jobKind(keep);
    const data = keep.old
        ? { type, attributes: { list_id: keep.list, subscriptions: profiles } }
        : {
            type,
            attributes: withoutEmpty({ custom_source: keep.source, profiles: { data: profiles } }),
            relationships: { list: { data: { type: 'list', id: keep.list } } },
        };
    return post(`${type}s`, { data });
}

const profilesOf = ({ data: { attributes } }) => attributes.subscriptions ?? attributes.profiles.data;

// ---- batches ----

// Profiles and events go alone; behind them the subscriptions, gathered by list.
export function batch(results) {
    const single = results.filter(({ keep }) => !keep);
    const jobs = [];
    for (const result of results.filter(({ keep }) => keep)) {
        addToJob(jobs, result);
    }
    return [...single, ...jobs.map(({ keep, events, profiles }) => ({ events, keep, request: jobRequest(keep, profiles) }))];
}

// Into the last job of its kind, unless a later job has the same user: what was said last must stay so.
function addToJob(jobs, { events, request, keep }) {
    const [profile] = profilesOf(request.json);
    const address = ({ email, phone_number, attributes }) => email ?? attributes?.email ?? phone_number ?? attributes.phone_number;
    const key = JSON.stringify(keep);
    const at = jobs.findLastIndex((job) => job.key === key);
    const later = jobs.slice(at + 1).some((job) => job.profiles.some((other) => address(other) === address(profile)));
    if (at >= 0 && !keep.alone && !later && jobs[at].profiles.length < jobKind(keep).profiles) {
        jobs[at].profiles.push(profile);
        jobs[at].events.push(...events);
    } else {
        jobs.push({ key, keep, profiles: [profile], events: [...events] });
    }
}

// ---- answers ----

// One bad profile has Klaviyo refuse the whole job, and its errors say which: that one is dead, the others are sent again without it.
// https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling: source.pointer
export function outcome(response, request) {
    const { status, body } = response;
    if (status !== 400 || !(request.events.length > 1) || !Array.isArray(body?.errors)) {
        return undefined;
    }
    const named = new Map(body.errors.map((error) => [profileIndex(error), error.detail ?? error.title]));
    if ([...named.keys()].some((index) => index === undefined || index >= request.events.length)) {
        return undefined;
    }
    return request.events.map((_, i) => (named.has(i) ? { outcome: 'dead', text: named.get(i) } : 'retry'));
}

function profileIndex({ source }) {
    const found = /\/(?:profiles\/data|subscriptions)\/(\d+)(?:\/|$)/.exec(source?.pointer ?? '');
    return found ? Number(found[1]) : undefined;
}
