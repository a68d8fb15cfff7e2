// Meta's webhooks for lead forms: which lead was left on which form of which page. What the visitor wrote is not in them.
// https://developers.facebook.com/docs/graph-api/webhooks/getting-started/webhooks-for-leadgen
import { Dead } from 'sluice';
import { isoOfSeconds, objectOf } from '_lib/payload';
import { isEmpty, isObject } from '_lib/values';

const IDS = ['leadgen_id', 'page_id', 'form_id'];

const listOf = (value) => (Array.isArray(value) ? value.filter(isObject) : []);

function leadOf(change, entry, source) {
    const lead = change.value;
    if (change.field !== 'leadgen' || !isObject(lead) || IDS.some((id) => isEmpty(lead[id]))) {
        return [];
    }
    const id = String(lead.leadgen_id);
    const created = isoOfSeconds(lead.created_time);
    const sent = isoOfSeconds(entry.time);
    return [{
        type: 'identify',
        context: { traits: { pageId: lead.page_id, formId: lead.form_id } },
        anonymousId: id,
        messageId: source ? `${source}-${id}` : id, // Meta sends a webhook again until it is answered
        ...(created && { originalTimestamp: created }),
        ...(sent && { sentAt: sent }),
    }];
}

export function transform(request, config, ctx) {
    const payload = objectOf(request);
    if (payload.object !== 'page') {
        throw new Dead('a webhook of lead forms has "page" as its object');
    }
    const events = listOf(payload.entry).flatMap((entry) => listOf(entry.changes).flatMap((change) => leadOf(change, entry, ctx.source)));
    if (events.length === 0) {
        throw new Dead('no change is a lead with leadgen_id, page_id and form_id');
    }
    return { events };
}
