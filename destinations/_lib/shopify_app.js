// Shopify's webhooks as the app with the web pixel subscribes to them: an event, and who it was as an identify.
import { hashOf, itemsOf, LIBRARY, noted, ok, pick, textOf, timeOf } from '_lib/shopify';
import { CUSTOMER_TOPICS, ECOMMERCE_APP, GENERIC_APP } from '_lib/shopify_names';
import { identified } from '_lib/shopify_webhook';
import { isEmpty, withoutUndefined } from '_lib/values';

const ORDER = { order_id: ['id', 'text'], value: ['total_price', 'amount'], tax: ['total_tax', 'amount'], currency: ['currency'] };
const CHECKOUT = { ...ORDER, value: ['total_line_items_price', 'amount'] };
const PRODUCT = { product_id: ['product_id', 'text'], title: ['name'], price: ['price', 'amount'], brand: ['vendor'], quantity: ['quantity'],
    sku: ['sku'], variant: ['variant_title'] };
const ADDRESS = { street: ['address1'], city: ['city'], state: ['province'], country: ['country'], postalCode: ['zip'] };
const PERSON = { email: ['email'], firstName: ['customer.first_name'], lastName: ['customer.last_name'], phone: ['customer.phone'],
    createdAt: ['customer.created_at'] };

function contextOf(payload, topic) {
    const tokens = Object.fromEntries(['cart_token', 'checkout_token'].filter((key) => payload[key]).map((key) => [key, payload[key]]));
    return { library: { name: LIBRARY, eventOrigin: 'server', version: '2.0.0' }, integration: { name: 'SHOPIFY' }, topic, ...tokens,
        shopifyDetails: payload };
}

// For warehouses: what Shopify sent stays one JSON column.
const integrationsOf = (type) => ({ SHOPIFY: true, DATA_WAREHOUSE: { options: { jsonPaths: [`${type}.context.shopifyDetails`] } } });

function traitsOf(payload, ecommerce) {
    const address = pick(payload.shipping_address, ADDRESS);
    return withoutUndefined({
        ...pick(payload, ecommerce ? PERSON : { email: PERSON.email }),
        address: ecommerce && !isEmpty(address) ? address : undefined,
        cart_token_hash: hashOf(payload.cart_token),
    });
}

function trackOf(payload, topic, config) {
    const ecommerce = ECOMMERCE_APP.has(topic);
    const rows = topic.startsWith('checkouts_') ? CHECKOUT : ORDER;
    const traits = traitsOf(payload, ecommerce);
    return withoutUndefined({
        type: 'track',
        event: ECOMMERCE_APP.get(topic) ?? GENERIC_APP.get(topic),
        anonymousId: noted(payload, config) ?? hashOf(payload.cart_token),
        userId: ecommerce ? textOf(payload.customer?.id) : undefined,
        properties: withoutUndefined({ ...(ecommerce ? pick(payload, rows) : {}), products: itemsOf(payload)?.map((item) => pick(item, PRODUCT)) }),
        context: { ...contextOf(payload, topic), ...(isEmpty(traits) ? {} : { traits }) },
        integrations: integrationsOf('track'),
        timestamp: ecommerce ? timeOf(payload.updated_at) : undefined,
    });
}

// Nobody is identified by the hash of a cart alone.
function identifyOf(track) {
    const { userId, anonymousId, context: { traits, library, integration } } = track;
    if (userId === undefined && (anonymousId === undefined || traits?.email === undefined)) {
        return [];
    }
    return [withoutUndefined({ type: 'identify', anonymousId, userId, context: { library, integration, traits }, integrations: { SHOPIFY: true } })];
}

function customerOf(payload, topic) {
    const event = identified(payload, topic, '2.0.0');
    return { ...event, context: contextOf(payload, topic), integrations: integrationsOf('identify') };
}

export function fromApp(payload, topic, config) {
    if (CUSTOMER_TOPICS.has(topic)) {
        return { events: [customerOf(payload, topic)] };
    }
    if (!ECOMMERCE_APP.has(topic) && !GENERIC_APP.has(topic)) {
        return ok();
    }
    const track = trackOf(payload, topic, config);
    return { events: [track, ...identifyOf(track)] };
}
