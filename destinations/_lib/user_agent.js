// Browsers by their user agents. The order decides: most browsers also name those that they descend from.

const BROWSERS = [
    [/\b(?:crmo|crios)\/([\w.]+)/i, 'Chrome'],
    [/\bedg(?:e|ios|a)?\/([\w.]+)/i, 'Edge'],
    [/\bopr\/([\w.]+)/i, 'Opera'],
    [/\bopera.+version\/([\w.]+)/i, 'Opera'],
    [/\bopera[/ ]([\w.]+)/i, 'Opera'],
    [/\bsamsungbrowser\/([\w.]+)/i, 'Samsung Internet'],
    [/\b(?:uc? ?browser|ucweb)[/ ]?([\w.]+)/i, 'UCBrowser'],
    [/\byabrowser\/([\w.]+)/i, 'Yandex'],
    [/\bvivaldi\/([\w.]+)/i, 'Vivaldi'],
    [/\bfxios\/([\w.-]+)/i, 'Firefox'],
    [/\bmsie ([\w.]+)/i, 'IE'],
    [/\btrident.+rv[: ]([\w.]{1,9})\b.+like gecko/i, 'IE'],
    [/\bheadlesschrome(?:\/([\w.]+)| )/i, 'Chrome Headless'],
    [/ wv\).+chrome\/([\w.]+)/i, 'Chrome WebView'],
    [/droid.+ version\/([\w.]+)\b.+(?:mobile safari|safari)/i, 'Android Browser'],
    [/\bchromium\/v?([\w.]+)/i, 'Chromium'],
    [/\bchrome\/v?([\w.]+)/i, 'Chrome'],
    [/version\/([\w.,]+) .*mobile\/\w+ safari/i, 'Mobile Safari'],
    [/version\/([\w.,]+) .*(?:mobile ?safari|safari)/i, 'Safari'],
    [/\bfirefox\/([\w.-]+)/i, 'Firefox'],
];

// {name, version} or undefined
export function browser(userAgent) {
    if (typeof userAgent !== 'string') {
        return undefined;
    }
    for (const [pattern, name] of BROWSERS) {
        const found = userAgent.match(pattern);
        if (found) {
            return { name, version: found[1] };
        }
    }
    return undefined;
}

// Operating systems by user agents; phones and tablets name desktop systems too.
const SYSTEMS = [
    [/windows phone/i, 'Windows Phone'],
    [/\b(?:iphone|ipad|ipod)\b/i, 'iOS'],
    [/\bandroid\b/i, 'Android'],
    [/\bcros\b/i, 'Chromium OS'],
    [/\bwindows\b/i, 'Windows'],
    [/\bmac(?:intosh|_powerpc| os x)/i, 'Mac OS'],
    [/\bubuntu\b/i, 'Ubuntu'],
    [/\blinux\b/i, 'Linux'],
];

export function system(userAgent) {
    return typeof userAgent === 'string' ? SYSTEMS.find(([pattern]) => pattern.test(userAgent))?.[1] : undefined;
}

// Devices by user agents: phones and tablets name themselves, computers do not.
const APPLE_DEVICE = /\((iPhone|iPad|iPod(?: touch)?)[;)]/;
const ANDROID_DEVICE = /\bAndroid[^;)]*;(?:\s*[a-z]{2}[-_][a-zA-Z]{2};)?\s*([^;)]+?)(?:\s+Build\/[^;)]*)?(?:;\s*wv)?\)/;
// of Android's models: who makes them, by the model's first letters
const MAKERS = [
    [/^(?:sm-|sgh-|gt-|samsung)/i, 'Samsung'],
    [/^(?:pixel|nexus)/i, 'Google'],
    [/^(?:redmi|mi |poco|m20\d\d|2\d{4,}\w+$)/i, 'Xiaomi'],
    [/^(?:huawei|honor|[a-z]{3}-(?:[at]?l\d\d|[al]x\d)$)/i, 'Huawei'],
    [/^(?:oneplus|kb20|le21|in20)/i, 'OnePlus'],
    [/^(?:moto|xt\d{4})/i, 'Motorola'],
    [/^(?:lg-|lm-)/i, 'LG'],
    [/^(?:htc)/i, 'HTC'],
    [/^(?:nokia|ta-1)/i, 'Nokia'],
    [/^(?:sony|xperia|so-|xq-)/i, 'Sony'],
    [/^(?:cph\d{4}|oppo)/i, 'OPPO'],
    [/^(?:rmx\d{4}|realme)/i, 'Realme'],
    [/^(?:vivo|v2\d{3})/i, 'Vivo'],
];
const NO_DEVICE = /^(?:mobile|tablet|tv|k|u|rv:.*|linux.*)$/i;

// {vendor, model}, as far as the text says
export function device(userAgent) {
    if (typeof userAgent !== 'string') {
        return {};
    }
    const apple = userAgent.match(APPLE_DEVICE);
    if (apple) {
        return { vendor: 'Apple', model: apple[1] };
    }
    const model = userAgent.match(ANDROID_DEVICE)?.[1];
    if (model === undefined || NO_DEVICE.test(model)) {
        return {};
    }
    return { vendor: MAKERS.find(([pattern]) => pattern.test(model))?.[1], model };
}
