// What the two Google Analytics 4 destinations share: who, where to, names and parameters of the Measurement Protocol.
// https://developers.google.com/analytics/devguides/collection/protocol/ga4/reference
import { Dead } from 'sluice';
import { externalId, integration } from '_lib/event';
import { isEmpty, isObject } from '_lib/values';

const NAMES = ['GA4', 'ga4', 'Ga4', 'Google Analytics 4', 'googleAnalytics4', 'Google Analytics 4 (GA4)',
    'GA4_V2', 'ga4_v2', 'Google Analytics 4 (GA4) V2'];

// https://support.google.com/analytics/answer/13316687: names that Analytics keeps for itself
const RESERVED_EVENTS = new Set([
    'ad_activeview', 'ad_click', 'ad_exposure', 'ad_impression', 'ad_query', 'ad_reward', 'adunit_exposure',
    'app_background', 'app_clear_data', 'app_exception', 'app_install', 'app_remove', 'app_store_refund',
    'app_store_subscription_cancel', 'app_store_subscription_convert', 'app_store_subscription_renew', 'app_update',
    'app_upgrade', 'dynamic_link_app_open', 'dynamic_link_app_update', 'dynamic_link_first_open', 'error',
    'first_open', 'first_visit', 'in_app_purchase', 'notification_dismiss', 'notification_foreground',
    'notification_open', 'notification_receive', 'notification_send', 'os_update', 'screen_view', 'session_start',
    'user_engagement',
]);
const RESERVED_USER_PROPERTIES = new Set([
    'first_open_time', 'first_visit_time', 'first_open_after_install', 'last_deep_link_referrer', 'user_id',
]);
const RESERVED_PREFIX = /^(?:_|firebase_|ga_|google_|gtag\.)/;
const EVENT_NAME = /^\p{L}[\p{L}\p{M}\p{N}_]{0,39}$/u;
const USER_PROPERTY = /^[A-Za-z]\w{0,23}$/;
const USER_VALUE_LENGTH = 36;

const CONSENTS = ['ad_user_data', 'ad_personalization'];
const CONSENT_WORDS = ['GRANTED', 'DENIED'];

// The part of a request that no event changes.
function target(config) {
    const { apiSecret: api_secret, measurementId: measurement_id, firebaseAppId: firebase_app_id } = config;
    return {
        url: `https://www.google-analytics.com/${config.debugMode ? 'debug/' : ''}mp/collect`,
        query: config.typesOfClient === 'firebase' ? { api_secret, firebase_app_id } : { api_secret, measurement_id },
    };
}

// What a call's events share.
export const prepare = (config) => ({
    config, to: target(config), ignored: new Set((config.piiPropertiesToIgnore ?? []).map((row) => row.piiProperty)),
});

export const optionsOf = (message) => (message.integrations ? integration(message, NAMES) : undefined);

// Only the web has a hybrid mode; a destination of several sources says the mode of each.
const isHybrid = ({ connectionMode }) => connectionMode === 'hybrid' || connectionMode?.web === 'hybrid';

// {client_id} or {app_instance_id}; in hybrid mode the web SDK hands over the ids of Google's tag.
function identity(message, config, options) {
    if (config.typesOfClient === 'firebase') {
        const app_instance_id = externalId(message, 'ga4AppInstanceId');
        if (isEmpty(app_instance_id)) {
            throw new Dead('an event of a Firebase app needs context.externalId of type ga4AppInstanceId');
        }
        return { app_instance_id };
    }
    const client_id = (isHybrid(config) && options?.clientId) || externalId(message, 'ga4ClientId') || message.anonymousId
        || message.rudderId;
    if (isEmpty(client_id)) {
        throw new Dead('context.externalId of type ga4ClientId or an anonymousId is required');
    }
    return { client_id };
}

// The request's body but for events and user properties: `head` is what the tables found.
export function envelope(message, config, { head }, options) {
    const { timestamp, ...rest } = head ?? {};
    const body = { ...identity(message, config, options), ...rest };
    if (timestamp !== undefined) {
        body.timestamp_micros = timestamp * 1e6;
    }
    if (isObject(options?.consents)) {
        const given = CONSENTS.filter((name) => CONSENT_WORDS.includes(options.consents[name]));
        if (given.length > 0) {
            body.consent = Object.fromEntries(given.map((name) => [name, options.consents[name]]));
        }
    }
    return body;
}

// The session of an event: hybrid mode's own wins.
export function addSession(params, config, options) {
    if (options?.sessionId && isHybrid(config)) {
        params.session_id = options.sessionId;
    }
    if (options?.sessionNumber) {
        params.session_number = options.sessionNumber;
    }
    return params;
}

// Adds a property under its flat name: {a: {b: [1]}} is a_b_0. What holds nothing is left out.
export function put(params, name, value) {
    if (typeof value !== 'object') {
        if (value !== '' && value !== undefined) {
            params[name] = value;
        }
        return;
    }
    for (const key in value) {
        put(params, `${name}_${key}`, value[key]);
    }
}

// All properties but `skip` and reserved names.
export function addCustom(params, properties, skip) {
    for (const key in properties) {
        if (!skip.has(key) && !RESERVED_PREFIX.test(key)) {
            put(params, key, properties[key]);
        }
    }
    return params;
}

function isUserProperty(name, value) {
    const fits = typeof value === 'string' ? value.length > 0 && value.length <= USER_VALUE_LENGTH : typeof value !== 'object';
    return fits && USER_PROPERTY.test(name) && !RESERVED_USER_PROPERTIES.has(name) && !RESERVED_PREFIX.test(name);
}

// {name: {value}} of the traits in the context, and of properties.user_properties; undefined when there are none
function userProperties(message, ignored) {
    let found;
    for (const some of [message.context?.traits, message.properties?.user_properties]) {
        for (const name in isObject(some) ? some : undefined) {
            if (!ignored.has(name) && isUserProperty(name, some[name])) {
                found ??= {};
                found[name] = { value: some[name] };
            }
        }
    }
    return found;
}

// Blanks become underscores. Google drops events with other names, and does not say so.
export function eventName(event) {
    if (typeof event !== 'string') {
        throw new Dead('the event name must be a text');
    }
    const name = event.trim().replace(/\s+/g, '_');
    if (name === '') {
        throw new Dead('an event name is required');
    }
    if (RESERVED_EVENTS.has(name.toLowerCase())) {
        throw new Dead('Google Analytics keeps this event name for itself');
    }
    if (RESERVED_PREFIX.test(name)) {
        throw new Dead('event names must not begin with _, firebase_, ga_, google_ or gtag.');
    }
    if (!EVENT_NAME.test(name)) {
        throw new Dead('event names have up to 40 letters, digits and underscores, a letter first');
    }
    return name;
}

// ---- events ----

// Properties that have a place of their own: made by the tables, or in the body
export const PLACED = ['user_properties', 'sessionId', 'engagementTimeMsec'];
const NOT_CUSTOM = new Set(PLACED);
const NOT_OF_PAGE = new Set([...PLACED, 'title', 'url', 'referrer']);

const objectOf = (value) => (isObject(value) ? value : {});

export const custom = (name, properties) => ({ name, params: addCustom({}, objectOf(properties), NOT_CUSTOM) });
export const page = (message) => ({ name: 'page_view', params: addCustom({}, objectOf(message.properties), NOT_OF_PAGE) });
export const group = (message) => custom('join_group', message.traits ?? message.context?.traits);

// The request of one event {name, params}.
export function collect({ message, draft }, { config, to, ignored }, event) {
    const options = optionsOf(message);
    const body = envelope(message, config, draft.body, options);
    Object.assign(event.params, draft.body.params);
    addSession(event.params, config, options);
    body.events = [event];
    body.user_properties = userProperties(message, ignored);
    return { ...to, json: body };
}
