// Olark's transcripts, as JSON or in the field "data" of a form.
import { Dead } from 'sluice';
import { eventFrom, fill, objectOf } from '_lib/payload';
import { isObject, withoutEmpty } from '_lib/values';

const ROWS = [
    ['visitor.id', 'userId'],
    ['visitor.operatingSystem', 'context.os.name'],
    ['visitor.conversationBeginPage', 'context.page.url'],
    ['visitor.referrer', 'context.page.referrer'],
    ['visitor.ip', 'context.ip'],
    ['visitor.city', 'context.traits.city'],
    ['visitor.region', 'context.traits.region'],
    ['visitor.country', 'context.traits.country'],
    ['visitor.fullName', 'context.traits.name'],
    ['visitor.emailAddress', 'context.traits.email'],
    ['visitor.phoneNumber', 'context.traits.phone'],
    ['visitor.organization', 'traits.organization'],
    ['visitor.chat_feedback', 'traits.chat_feedback'],
    ['tags', 'properties.tags'],
    ['items', 'properties.items'],
];
const GROUP = [
    ['id', 'groupId'],
    ['name', 'traits.name'],
    ['kind', 'properties.kind'],
];

function payloadOf(request) {
    if (request.form === undefined) {
        return objectOf(request);
    }
    try {
        return objectOf({ json: JSON.parse(request.form.data?.[0]) });
    } catch {
        throw new Dead('the field "data" of the form is a JSON object');
    }
}

// "Internet Explorer 11"
function browserOf(text) {
    const [, name, version] = /^(.*?)(?: ([\d.]+))?$/.exec(text ?? '') ?? [];
    return name ? withoutEmpty({ name, version }) : undefined;
}

export function transform(request) {
    const payload = payloadOf(request);
    if (!payload.kind) {
        throw new Dead('a webhook of Olark has a kind');
    }
    const visitor = isObject(payload.visitor) ? withoutEmpty(payload.visitor) : {};
    const event = fill(eventFrom('Olark', { type: 'track', event: payload.kind }), { ...payload, visitor }, ROWS);
    const browser = browserOf(visitor.browser);
    if (browser) {
        event.context.browser = browser;
    }
    const groups = Array.isArray(payload.groups) ? payload.groups.filter(isObject) : [];
    return {
        events: [event, ...groups.map((group) => fill(eventFrom('Olark', { type: 'group', userId: event.userId }), group, GROUP))],
    };
}
