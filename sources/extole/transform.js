// Extole's outbound webhooks: rewards, and events of one's own.
import { camelCase, eventFrom, fill, objectOf } from '_lib/payload';
import { without } from '_lib/values';

const REWARDS = new Set(['reward_earned', 'reward_fulfilled', 'reward_sent']);
const ROWS = [
    ['type', 'event'],
    ['event', 'event'],
    ['event_name', 'event'],
    ['event_time', 'originalTimestamp'],
    ['partner_user_id', 'userId'],
    ['email', 'context.traits.email'],
    ['person.email', 'context.traits.email'],
    ['person.partner_user_id', 'userId'],
];
const MAPPED = ['type', 'event', 'event_name', 'event_time', 'partner_user_id'];

export function transform(request, config, ctx) {
    const payload = objectOf(request);
    const event = fill(eventFrom('Extole', { type: 'track' }), payload, ROWS);
    event.anonymousId = ctx.uuid();
    event.properties = REWARDS.has(event.event)
        ? Object.fromEntries(Object.entries(without(payload, MAPPED)).map(([key, value]) => [camelCase(key), value]))
        : payload;
    return { events: [event] };
}
