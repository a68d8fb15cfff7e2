// Shopify's webhooks as the older app subscribes to them: customers identify, the rest is tracked. https://shopify.dev/docs/api/webhooks
import { hashOf, itemsOf, LIBRARY, noted, ok, pick, textOf, timeOf } from '_lib/shopify';
import { CUSTOMER_TOPICS, ECOMMERCE_OLD, GENERIC_OLD, STAFF_TOPICS } from '_lib/shopify_names';
import { camelCase } from '_lib/payload';
import { first, isEmpty, isObject, withoutEmpty, withoutUndefined, without } from '_lib/values';

// Members of a customer that become traits in camel case, and those that get another name.
const TRAITS = ['email', 'first_name', 'last_name', 'phone', 'accepts_marketing', 'state', 'last_order_id', 'last_order_name', 'total_spent',
    'note', 'verified_email', 'multipass_identifier', 'tax_exempt', 'tags', 'currency', 'accepts_marketing_updated_at', 'marketing_opt_in_level',
    'tax_exemptions', 'sms_marketing_consent', 'admin_graphql_api_id'];
const RENAMED = { addresses: 'addressList', default_address: 'address', orders_count: 'orderCount' };
const PRODUCT = { product_id: 'product_id', sku: 'sku', title: 'title', price: 'price', vendor: 'brand', quantity: 'quantity' };
const PRODUCT_DONE = [...Object.keys(PRODUCT), 'variant_id', 'variant_price', 'variant_title', 'name'];
const ECOMMERCE = { order_id: ['id', 'text'], value: ['total_price', 'amount'], tax: ['total_tax', 'amount'], currency: ['currency'] };

const present = (value) => value !== undefined && value !== null;

function contextOf(payload, topic, version) {
    const tokens = Object.fromEntries(['cart_token', 'checkout_token'].filter((key) => Object.hasOwn(payload, key))
        .map((key) => [key, payload[key]]));
    return { library: { name: LIBRARY, version }, integration: { name: 'SHOPIFY' }, topic, ...tokens };
}

export function traitsOf(customer) {
    const traits = {};
    for (const key of TRAITS.filter((name) => present(customer[name]))) {
        traits[camelCase(key)] = customer[key];
    }
    for (const [key, name] of Object.entries(RENAMED)) {
        if (present(customer[key])) {
            traits[name] = customer[key];
        }
    }
    return traits;
}

export function identified(payload, topic, version) {
    return withoutUndefined({
        context: contextOf(payload, topic, version),
        integrations: { SHOPIFY: true },
        type: 'identify',
        userId: textOf(payload.id),
        traits: traitsOf(payload),
        timestamp: timeOf(payload.updated_at) ?? timeOf(payload.created_at),
    });
}

function productOf(item) {
    const named = {};
    for (const [key, name] of Object.entries(PRODUCT)) {
        if (present(item[key])) {
            named[name] = item[key];
        }
    }
    const variant = [item.variant_id, item.variant_price, item.variant_title].map((part) => part ?? '').join(' ');
    return { ...without(item, PRODUCT_DONE), ...named, ...(variant.trim() === '' ? {} : { variant }) };
}

function propertiesOf(payload, topic) {
    const products = itemsOf(payload)?.map(productOf);
    if (ECOMMERCE_OLD.has(topic)) {
        return withoutUndefined({ ...pick(payload, ECOMMERCE), products });
    }
    const rest = without(payload, ['line_items', 'customer', 'shipping_address', 'billing_address']);
    return withoutUndefined({ ...rest, products });
}

function customerTraits(payload) {
    const customer = isObject(payload.customer) ? payload.customer : {};
    return withoutUndefined({
        ...traitsOf(customer),
        email: first(payload, ['customer.email', 'email']),
        ...withoutEmpty({ shippingAddress: payload.shipping_address, billingAddress: payload.billing_address }),
    });
}

// A cart is its own token; a checkout and an order name the cart that they come from.
function tokenOf(payload, topic) {
    return topic.startsWith('carts_') ? payload.token ?? payload.id : payload.cart_token;
}

function idsOf(payload, topic, config, ctx) {
    const userId = textOf(payload.customer?.id);
    if (STAFF_TOPICS.has(topic)) {
        return { userId: userId ?? 'shopify-admin' };
    }
    return withoutUndefined({ userId, anonymousId: noted(payload, config) ?? hashOf(tokenOf(payload, topic)) ?? ctx.uuid() });
}

// Shopify makes a cart for whoever comes; it says nothing before something is in it.
const isNewEmptyCart = (payload, topic) => topic === 'carts_create' && isEmpty(payload.line_items);

export function fromWebhook(payload, topic, config, ctx) {
    if (CUSTOMER_TOPICS.has(topic)) {
        return { events: [identified(payload, topic, '1.0.0')] };
    }
    const name = ECOMMERCE_OLD.get(topic) ?? GENERIC_OLD.get(topic);
    if (name === undefined || isNewEmptyCart(payload, topic)) {
        return ok();
    }
    const traits = customerTraits(payload);
    return {
        events: [withoutUndefined({
            context: contextOf(payload, topic, '1.0.0'),
            integrations: { SHOPIFY: true },
            type: 'track',
            event: name,
            ...idsOf(payload, topic, config, ctx),
            properties: propertiesOf(payload, topic),
            traits: isEmpty(traits) ? undefined : traits,
            timestamp: ECOMMERCE_OLD.has(topic) ? timeOf(payload.updated_at) : undefined,
        })],
    };
}
