// RevenueCat's webhooks. https://www.revenuecat.com/docs/integrations/webhooks/event-types-and-fields
import { Dead } from 'sluice';
import { camelCase, eventFrom, externalIds, fill, isoOfSeconds, objectOf } from '_lib/payload';

const MS = 1000;
const ROWS = [
    ['type', 'event'],
    ['id', 'messageId'],
    ['app_user_id', 'userId'],
];

export function transform(request, config, ctx) {
    const source = objectOf(request).event;
    if (!source?.type) {
        throw new Dead('a webhook of RevenueCat has an event with a type');
    }
    const event = fill(eventFrom('RevenueCat', { type: 'track' }), source, ROWS);
    const ids = externalIds({ revenuecatAppUserId: source.app_user_id });
    if (ids.length > 0) {
        event.context.externalId = ids;
    } else {
        event.anonymousId = ctx.uuid();
    }
    event.properties = Object.fromEntries(Object.entries(source).map(([key, value]) => [camelCase(key), value]));
    const time = isoOfSeconds(source.event_timestamp_ms / MS);
    return { events: [time ? { ...event, originalTimestamp: time, sentAt: time } : event] };
}
