// Formsort's answers.
import { eventFrom, fill, objectOf } from '_lib/payload';

const ROWS = [
    ['responder_uuid', 'userId'],
    ['flow_label', 'context.page.title'],
    ['variant_label', 'context.variantLabel'],
    ['variant_uuid', 'context.variantUuid'],
    ['created_at', 'originalTimestamp'],
    ['answers', 'properties'],
];

export function transform(request) {
    const payload = objectOf(request);
    return { events: [fill(eventFrom('Formsort', { type: 'track', event: payload.finalized ? 'FlowFinalized' : 'FlowLoaded' }), payload, ROWS)] };
}
