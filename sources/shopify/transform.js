// Shopify: what the web pixel sends from the browser, and webhooks of the app with the pixel or of the older one.
// https://shopify.dev/docs/apps/build/webhooks/subscribe/https
import { Dead } from 'sluice';
import { fromApp } from '_lib/shopify_app';
import { fromPixel, isPixel } from '_lib/shopify_pixel';
import { fromWebhook } from '_lib/shopify_webhook';
import { objectOf } from '_lib/payload';

function headerOf(request, name) {
    const entry = Object.entries(request.headers ?? {}).find(([key]) => key.toLowerCase() === name);
    return entry && [].concat(entry[1])[0];
}

// In the query as orders_create, in Shopify's own header as orders/create.
function topicOf(request) {
    const topic = request.query?.topic?.[0] ?? headerOf(request, 'x-shopify-topic');
    if (typeof topic !== 'string' || topic === '') {
        throw new Dead('a webhook of Shopify names its topic: in the query, or in the header X-Shopify-Topic');
    }
    return topic.toLowerCase().replaceAll('/', '_');
}

// Shopify sends a webhook again until it is answered; its id stays, so that nothing counts twice.
function withId(result, request) {
    const id = headerOf(request, 'x-shopify-webhook-id');
    return id && result.events
        ? { ...result, events: result.events.map((event) => ({ messageId: `${id}-${event.type}`, ...event })) }
        : result;
}

export function transform(request, config, ctx) {
    const body = objectOf(request);
    if (isPixel(body)) {
        return fromPixel(body);
    }
    const topic = topicOf(request);
    const isApp = (request.query?.version?.[0] ?? config.version) === 'pixel';
    return withId((isApp ? fromApp : fromWebhook)(body, topic, config, ctx), request);
}
