// PostHog's webhooks and its export plug-in: events of ours in a batch pass as they are, PostHog's own are told apart by their shape.
// https://posthog.com/docs/cdp/destinations/webhook
import { eventFrom, fill, listOf } from '_lib/payload';
import { isObject } from '_lib/values';

const TYPES = { $identify: 'identify', $set: 'identify', $groupidentify: 'group', $pageview: 'page', $screen: 'screen', $create_alias: 'alias' };
const ROWS = [
    ['uuid', 'messageId'],
    ['distinct_id', 'userId'],
    ['properties.$anon_distinct_id', 'anonymousId'],
    ['properties.$device_id', 'anonymousId'],
    ['timestamp', 'timestamp', 'originalTimestamp'],
    ['properties.$ip', 'context.ip'],
    ['properties.$raw_user_agent', 'context.userAgent'],
    ['properties.$user_agent', 'context.userAgent'],
    ['properties.$current_url', 'context.page.url'],
    ['properties.$pathname', 'context.page.path'],
    ['properties.$referrer', 'context.page.referrer'],
    ['properties.$os', 'context.os.name'],
    ['properties.$os_version', 'context.os.version'],
    ['person.properties', 'context.traits'],
];

const own = (payload) => typeof payload.type === 'string' && payload.distinct_id === undefined;

function toEvent(payload) {
    if (own(payload)) {
        return payload;
    }
    const source = isObject(payload.event) ? { ...payload.event, person: payload.person } : payload;
    const type = TYPES[source.event] ?? 'track';
    const event = fill(eventFrom('PostHog', { type }), source, ROWS);
    if (type === 'track') {
        event.event = source.event;
    } else if (type === 'group') {
        fill(event, source, [['properties.$group_key', 'groupId'], ['properties.$group_set', 'traits']]);
    } else if (type === 'identify') {
        fill(event, source, [['properties.$set', 'traits'], ['$set', 'traits']]);
    } else if (type === 'alias') {
        fill(event, source, [['properties.alias', 'previousId']]);
    }
    return type === 'identify' || type === 'group' ? event : { ...event, properties: source.properties ?? {} };
}

export function transform(request) {
    const payloads = listOf(request).flatMap((payload) => (Array.isArray(payload?.batch) ? payload.batch : [payload]));
    return { events: payloads.filter(isObject).map(toEvent) };
}
