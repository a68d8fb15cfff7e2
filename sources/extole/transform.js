// Extole's outbound webhooks: rewards, and events of one's own.
import { Dead } from 'sluice';
import { camelCase, eventFrom, fill, objectOf } from '_lib/payload';
import { without } from '_lib/values';

const REWARDS = new Set(['reward_earned', 'reward_fulfilled', 'reward_sent']);
const ROWS = [
    ['type', 'event'],
    ['event', 'event'],
    ['event_name', 'event'],
    ['event_time', 'originalTimestamp'],
    ['partner_user_id', 'userId', 'context.traits.userId'],
    ['person.partner_user_id', 'userId', 'context.traits.userId'],
    ['email', 'context.traits.email'],
    ['person.email', 'context.traits.email'],
];
const NAMED_AND_TIMED = ['type', 'event', 'event_name', 'event_time'];

export function transform(request, config, ctx) {
    const payload = objectOf(request);
    const event = fill(eventFrom('Extole', { type: 'track' }), payload, ROWS);
    if (!event.event) {
        throw new Dead('a webhook of Extole has a type, an event or an event_name');
    }
    event.anonymousId = ctx.uuid();
    event.properties = REWARDS.has(event.event)
        ? Object.fromEntries(Object.entries(without(payload, NAMED_AND_TIMED)).map(([key, value]) => [camelCase(key), value]))
        : payload;
    return { events: [event] };
}
