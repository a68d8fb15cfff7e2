// Topics of Shopify's webhooks and what they are called as events. https://shopify.dev/docs/api/webhooks/latest
export const CUSTOMER_TOPICS = new Set(['customers_create', 'customers_update', 'customers_enable', 'customers_disable']);
// What the shop's staff does: no visitor is behind it.
export const STAFF_TOPICS = new Set(['fulfillments_create', 'fulfillments_update', 'orders_delete']);

export const GENERIC = new Map([
    ['carts_create', 'Cart Create'],
    ['carts_update', 'Cart Update'],
    ['checkouts_delete', 'Checkout Deleted'],
    ['fulfillments_create', 'Fulfillments Create'],
    ['fulfillments_update', 'Fulfillments Update'],
    ['orders_delete', 'Order Deleted'],
    ['orders_fulfilled', 'Order Fulfilled'],
    ['orders_paid', 'Order Paid'],
    ['orders_partially_fulfilled', 'Order Partially Fulfilled'],
]);

// The older app's.
export const GENERIC_OLD = new Map([
    ...GENERIC,
    ['checkouts_update', 'Checkout Updated'],
    ['orders_create', 'Order Created'],
    ['orders_cancelled', 'Order Cancelled'],
]);
export const ECOMMERCE_OLD = new Map([
    ['checkouts_create', 'Checkout Started'],
    ['orders_updated', 'Order Updated'],
]);

// The pixel app's: the pixel tells of a started checkout too, hence the name.
export const GENERIC_APP = new Map([
    ...GENERIC,
    ['fulfillment_orders_split', 'Fulfillment Orders Split'],
    ['orders_edited', 'Order Edited'],
    ['shipping_addresses_create', 'Shipping Addresses Create'],
    ['shipping_addresses_update', 'Shipping Addresses Update'],
]);
export const ECOMMERCE_APP = new Map([
    ['checkouts_create', 'Checkout Started Webhook'],
    ['checkouts_update', 'Checkout Updated'],
    ['orders_create', 'Order Created'],
    ['orders_updated', 'Order Updated'],
    ['orders_cancelled', 'Order Cancelled'],
]);
