// The mapping of bench/map/definition.json as somebody would write it by hand in JavaScript.
import { each, generic, sha256, Dead } from 'sluice';
import { compact, first, get, without } from '_lib/values';

const ROWS = [
    ['user_id', generic.userIdOnly], ['anonymous_id', ['anonymousId']], ['name', ['event']], ['channel', ['channel']],
    ['source.library', ['context.library.name']], ['source.version', ['context.library.version']],
    ['app.name', ['context.app.name']], ['app.version', ['context.app.version']], ['app.namespace', ['context.app.namespace']],
    ['device.id', ['context.device.id', 'context.device.advertisingId']], ['device.model', ['context.device.model']],
    ['device.maker', ['context.device.manufacturer']], ['os.name', ['context.os.name']], ['os.version', ['context.os.version']],
    ['locale', ['context.locale']], ['page.url', generic.pageUrl], ['page.title', generic.pageTitle],
    ['page.path', generic.pagePath], ['page.referrer', ['context.page.referrer', 'properties.referrer']],
    ['campaign.name', ['context.campaign.name']], ['campaign.source', ['context.campaign.source']],
    ['campaign.medium', ['context.campaign.medium']], ['person.first', generic.firstName], ['person.last', generic.lastName],
    ['person.city', generic.city], ['person.country', generic.country], ['person.zip', generic.zipcode],
].map(([to, from]) => [to.split('.'), from]);

function put(object, [head, tail], value) {
    if (value === undefined || value === null || value === '') {
        return;
    }
    if (tail === undefined) {
        object[head] = value;
    } else {
        object[head] = object[head] ?? {};
        object[head][tail] = value;
    }
}

const number = (value) => (value === undefined || Number.isNaN(Number(value)) ? undefined : Number(value));
const ms = (value) => (value === undefined ? undefined : Date.parse(value));

function revenue(value) {
    if (value === undefined) {
        return undefined;
    }
    const amount = Number(String(value).replace(/^\$/, ''));
    if (Number.isNaN(amount)) {
        throw new Dead('revenue is no number');
    }
    return Math.round(amount * 100) / 100;
}

const item = (product) => compact({ id: product.product_id ?? product.sku, name: product.name, price: number(product.price), count: number(product.quantity) ?? 1 });

function body(message) {
    const out = { event_id: message.messageId };
    for (const [to, from] of ROWS) {
        put(out, to, first(message, from));
    }
    put(out, ['time'], ms(first(message, generic.timestamp)));
    put(out, ['sent_at'], Math.floor(ms(message.sentAt) / 1000));
    put(out, ['app', 'build'], get(message, 'context.app.build')?.toString());
    put(out, ['device', 'type'], get(message, 'context.device.type')?.toLowerCase());
    put(out, ['screen', 'width'], number(get(message, 'context.screen.width')));
    put(out, ['screen', 'height'], number(get(message, 'context.screen.height')));
    put(out, ['person', 'email'], sha256(first(message, generic.email).trim().toLowerCase()));
    put(out, ['person', 'phone'], first(message, generic.phone)?.replace(/[ -]/g, ''));
    put(out, ['value'], revenue(first(message, ['properties.revenue', 'properties.total', 'properties.value'])));
    put(out, ['currency'], get(message, 'properties.currency') ?? 'USD');
    out.items = message.properties.products.map(item);
    out.properties = without(message.properties, ['products', 'revenue']);
    return out;
}

export const transform = each(({ message }) => {
    if (message.messageId === undefined || message.event === undefined) {
        throw new Dead('messageId and event are required');
    }
    return { url: 'https://vendor.test/v1/events', json: body(message) };
});
