// Any webhook: the whole body as the properties of one event. JSON, forms and bare queries.
import { without } from '_lib/values';

const EVENT = 'webhook_source_event';

// As the request came: lists of one are shown as their value.
function details(request) {
    const single = (lists) => Object.fromEntries(Object.entries(lists).map(([name, values]) => [name, values.join(',')]));
    return { method: request.method, url: request.url, proto: request.proto, headers: single(request.headers),
        query_parameters: single(request.query) };
}

export function transform(request, config, ctx) {
    const properties = request.json ?? request.form ?? without(request.query, ['writeKey']);
    const context = config.putRequestDetailsInContext ? details(request) : {};
    return { events: [{ type: 'track', event: EVENT, properties, anonymousId: ctx.uuid(), context }] };
}
