// Pipedream's workflows: what is an event already passes, anything else becomes one.
import { eventFrom, listOf } from '_lib/payload';
import { isObject } from '_lib/values';

const TYPES = new Set(['identify', 'track', 'page', 'screen', 'group', 'alias']);

function toEvent(payload, ctx) {
    const id = payload.anonymousId ?? payload.userId;
    if (TYPES.has(payload.type) && id) {
        return { ...payload, context: payload.context ?? {} };
    }
    return { ...eventFrom('PIPEDREAM', { type: 'track', event: 'pipedream_source_event' }), anonymousId: id ?? ctx.uuid(), properties: payload };
}

export function transform(request, config, ctx) {
    return { events: listOf(request).filter(isObject).map((payload) => toEvent(payload, ctx)) };
}
