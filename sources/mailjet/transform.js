// Mailjet's event API: one event, or several at once.
import { Dead, md5 } from 'sluice';
import { eventFrom, eventsOf, externalIds, fill, isoOfSeconds, listOf } from '_lib/payload';

const ROWS = [
    ['event', 'event'],
    ['email', 'context.traits.email'],
    ['ip', 'context.ip', 'properties.ip'],
    ['url', 'context.page.url', 'properties.url'],
    ['source', 'context.campaign.source'],
    ['agent', 'context.userAgent'],
    ['customcampaign', 'properties.customcampaign'],
    ['mj_campaign_id', 'properties.mj_campaign_id'],
    ['Payload', 'properties.Payload'],
];

function toEvent(payload) {
    if (!payload?.event) {
        throw new Dead('an event of Mailjet says in "event" what it is');
    }
    const event = fill(eventFrom('MailJet', { type: 'track' }), payload, ROWS);
    const ids = externalIds({ mailjetContactId: payload.mj_contact_id, mailjetListId: payload.mj_list_id });
    if (ids.length > 0) {
        event.context.externalId = ids;
    }
    if (payload.email) {
        event.userId = md5(payload.email);
    }
    const time = isoOfSeconds(payload.time);
    return time ? { ...event, originalTimestamp: time } : event;
}

export function transform(request) {
    return { events: eventsOf(listOf(request), toEvent) };
}
