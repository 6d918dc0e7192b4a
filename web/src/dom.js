// dom.js: the little that is needed to make elements. Text is always text: nothing of a call is ever markup.
export const $ = (id) => document.getElementById(id);

/** el('td', {class: 'x', title: 'y'}, child, ...): a child is an element or a text. */
export function el(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
        if (key.startsWith('on'))
            element.addEventListener(key.slice(2), value);
        else if (value != null)
            element.setAttribute(key, value);
    }
    element.append(...children.filter((child) => child != null));
    return element;
}

/** Sets a text only when it changes, so that screen readers and selections are left alone. */
export function text(element, value) {
    if (element.textContent !== value)
        element.textContent = value;
}

/**
 * Makes the children of `parent` those of `items`, by key: what stays keeps its element, its focus and its
 * place. make(item) makes one, update(element, item) brings it up to date.
 */
export function reconcile(parent, items, key, make, update) {
    const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
    let place = parent.firstElementChild;
    for (const item of items) {
        const name = String(key(item));
        let child = known.get(name);
        known.delete(name);
        if (!child) {
            child = make(item);
            child.dataset.key = name;
        }
        update?.(child, item);
        if (child === place)
            place = place.nextElementSibling;
        else
            parent.insertBefore(child, place);
    }
    for (const child of known.values())
        child.remove();
}
