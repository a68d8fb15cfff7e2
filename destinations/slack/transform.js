// Slack: identify and track events as messages of incoming webhooks.
// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/
import { Dead, Filtered, each } from 'sluice';
import { isEmpty } from '_lib/values';
import { typeOf } from '_lib/event';
import { template } from '_lib/template';

const SENDER = { username: 'RudderStack', icon_url: 'https://cdn.rudderlabs.com/rudderstack.png' };
const IDENTIFY_TEMPLATE = 'Identified {{name}}{{traits}}';
const EVENT_TEMPLATE = '{{name}} did {{event}}';

const traitsOf = (message) => ({ ...message.context?.traits, ...message.traits });

function nameOf(message, traits) {
    const full = [traits.firstName, traits.lastName].filter(Boolean).join(' ');
    return traits.name || full || traits.username || message.properties?.email || traits.email
        || (message.userId ? `User ${message.userId}` : `Anonymous user ${message.anonymousId}`);
}

// Members by path in a template; as a text "key: value " of each
function listed(object, names) {
    const shown = names.filter((name) => !isEmpty(object[name]));
    const text = shown.map((name) => `${name}: ${plain(object[name])} `).join('');
    const list = { ...object };
    Object.defineProperty(list, 'toString', { value: () => text });
    return list;
}

const plain = (value) => (typeof value === 'object' ? JSON.stringify(value) : value);

function matches(row, event) {
    if (isEmpty(row.eventName)) {
        return false;
    }
    if (!row.eventRegex) {
        return row.eventName === event;
    }
    try {
        return new RegExp(row.eventName).test(event);
    } catch {
        throw new Dead(`the event name "${row.eventName}" of the settings is not a regular expression`);
    }
}

// The first row of settings for this event which says something
const rowFor = (rows, event, keys) => (rows ?? []).find((row) => keys.some((key) => row[key]) && matches(row, event));

function identifyText(message, config) {
    const traits = traitsOf(message);
    const names = (config.whitelistedTraitsSettings ?? []).map((row) => row.trait).filter((name) => !isEmpty(name));
    const values = {
        ...traits,
        name: nameOf(message, traits),
        newline: '\n',
        traits: listed(traits, names),
        traitsList: Object.fromEntries(names.filter((name) => name in traits).map((name) => [name, traits[name]])),
    };
    return template(config.identifyTemplate || IDENTIFY_TEMPLATE, values);
}

function eventText(message, config) {
    const traits = traitsOf(message);
    const properties = message.properties ?? {};
    const row = rowFor(config.eventTemplateSettings, message.event, ['eventTemplate']);
    const values = {
        name: nameOf(message, traits),
        event: message.event,
        newline: '\n',
        traits: listed(traits, Object.keys(traits)),
        properties: listed(properties, Object.keys(properties)),
        propertiesList: properties,
    };
    return template(row?.eventTemplate || EVENT_TEMPLATE, values);
}

// Webhooks of an app post to their own channel alone; legacy ones may be told another channel.
function channelOf(message, config) {
    const keys = { modern: ['eventChannelWebhook'], legacy: ['eventChannel'] }[config.incomingWebhooksType]
        ?? ['eventChannelWebhook', 'eventChannel'];
    const row = rowFor(config.eventChannelSettings, message.event, keys);
    if (row && keys[0] === 'eventChannelWebhook' && row.eventChannelWebhook) {
        return { url: row.eventChannelWebhook };
    }
    return row ? { channel: row.eventChannel } : {};
}

function messageOf({ text, url, channel }, config) {
    const payload = { channel, text, ...SENDER };
    return { url: url ?? config.webhookUrl, form: { payload: JSON.stringify(payload) } };
}

function track(message, config) {
    if (isEmpty(message.event)) {
        throw new Dead('a track event needs a name');
    }
    const named = { ...message, event: String(message.event) };
    if ((config.denyListOfEvents ?? []).some((row) => row.eventName === named.event)) {
        throw new Filtered('the settings leave this event out');
    }
    return messageOf({ text: eventText(named, config), ...channelOf(named, config) }, config);
}

export const transform = each(({ message }, config) => (typeOf(message) === 'track'
    ? track(message, config)
    : messageOf({ text: identifyText(message, config) }, config)));
