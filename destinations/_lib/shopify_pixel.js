// Events of the web pixel, which runs in the visitor's browser. https://shopify.dev/docs/api/web-pixels-api/standard-events
import { LIBRARY, ok, pick, textOf } from '_lib/shopify';
import { get, isEmpty, isObject, withoutUndefined, without } from '_lib/values';

const VARIANT = { product_id: ['product.id'], variant: ['product.title'], name: ['title'], image_url: ['image.src'], price: ['price.amount'],
    category: ['product.type'], brand: ['product.vendor'], url: ['product.url'], sku: ['sku'] };
const CHECKOUT = { checkout_id: ['token'], total: ['totalPrice.amount'], currency: ['currencyCode'], discount: ['discountsAmount.amount'],
    shipping: ['shippingLine.price.amount'], revenue: ['subtotalPrice.amount'], value: ['totalPrice.amount'], tax: ['totalTax.amount'],
    order_id: ['order.id'] };
const PAGE = { title: ['title'], url: ['location.href'], path: ['location.pathname'], search: ['location.search'] };

const listAt = (event, path) => (Array.isArray(get(event, path)) ? get(event, path).filter(isObject) : []);
const variantOf = (variant) => pick(variant, VARIANT, { blank: true });
const lineOf = (line) => withoutUndefined({ ...variantOf(line.merchandise), quantity: line.quantity });
const itemOf = (item) => withoutUndefined({ ...variantOf(item.variant), name: item.title, quantity: item.quantity });

// What each event says: its properties.
const cartViewed = (event) => ({
    products: listAt(event, 'data.cart.lines').map(lineOf), ...pick(event.data.cart, { cart_id: ['id'], total: ['cost.totalAmount.amount'] }),
});
const listViewed = (event) => ({
    ...pick(event, { cart_id: ['clientId'], list_id: ['id'] }), products: listAt(event, 'data.collection.productVariants').map(variantOf),
});
const productViewed = (event) => variantOf(event.data.productVariant);
const cartChanged = (event) => lineOf(event.data.cartLine ?? {});
const checkout = (event) => ({ products: listAt(event, 'data.checkout.lineItems').map(itemOf), ...pick(event.data.checkout, CHECKOUT) });
const checkoutStep = (event) => pick(event.data.checkout, { checkout_id: ['token'] });
const searched = (event) => pick(event.data.searchResult, { query: ['query'] });

const EVENTS = new Map([
    ['cart_viewed', ['Cart Viewed', cartViewed]],
    ['collection_viewed', ['Product List Viewed', listViewed]],
    ['product_viewed', ['Product Viewed', productViewed]],
    ['product_added_to_cart', ['Product Added', cartChanged]],
    ['product_removed_from_cart', ['Product Removed', cartChanged]],
    ['checkout_started', ['Checkout Started', checkout]],
    ['checkout_completed', ['Order Completed', checkout]],
    ['checkout_address_info_submitted', ['Checkout Address Info Submitted', checkoutStep]],
    ['checkout_contact_info_submitted', ['Checkout Contact Info Submitted', checkoutStep]],
    ['checkout_shipping_info_submitted', ['Checkout Shipping Info Submitted', checkoutStep]],
    ['payment_info_submitted', ['Payment Info Submitted', checkoutStep]],
    ['search_submitted', ['Products Searched', searched]],
]);

// Only the pixel sends the browser's id and the name of an event beside its data.
export const isPixel = (body) => body.pixelEventLabel === true
    || (typeof body.clientId === 'string' && typeof body.name === 'string' && isObject(body.data));

function contextOf(event) {
    const page = pick(event.context?.document, PAGE, { blank: true });
    const traits = pick(event.data?.checkout, { email: ['email'], phone: ['phone'] });
    return withoutUndefined({
        page: isEmpty(page) ? undefined : page,
        userAgent: event.context?.navigator?.userAgent,
        screen: event.context?.window?.screen,
        library: { name: LIBRARY, eventOrigin: 'client', version: '2.0.0' },
        topic: event.name,
        shopifyDetails: without(event, ['pixelEventLabel']),
        traits: isEmpty(traits) ? undefined : traits,
    });
}

function kindOf(event) {
    if (event.name === 'page_viewed') {
        return { type: 'page', name: 'Page View', properties: pick(event.context?.document, { ...PAGE, referrer: ['referrer'] }, { blank: true }) };
    }
    const [name, properties] = EVENTS.get(event.name) ?? [];
    return name && { type: 'track', event: name, properties: properties({ ...event, data: event.data ?? {} }) };
}

export function fromPixel(event) {
    const kind = kindOf(event);
    if (kind === undefined) {
        return ok();
    }
    return {
        events: [withoutUndefined({
            ...kind,
            anonymousId: textOf(event.clientId),
            userId: textOf(event.data?.checkout?.order?.customer?.id),
            context: contextOf(event),
            integrations: { SHOPIFY: true, DATA_WAREHOUSE: { options: { jsonPaths: [`${kind.type}.context.shopifyDetails`] } } },
            timestamp: event.timestamp,
            messageId: event.id,
        })],
    };
}
