// How planted bugs reach into what is private, and put something in the place of one method.

// biome-ignore lint/suspicious/noExplicitAny: a bug reaches into any part by name
export type Inside = any

/** The object with some methods in place of its own; all else is the object's. */
export function instead<T extends object>(of: T, methods: (of: T) => Partial<T>): T {
  const own = methods(of) as Record<PropertyKey, unknown>
  return new Proxy(of, {
    get(target, key) {
      if (Object.hasOwn(own, key)) return own[key]
      const value = Reflect.get(target, key, target) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** Puts a function in the place of a method of this one object. */
export function patch(of: Inside, method: string, make: (right: (...args: Inside[]) => Inside) => (...args: Inside[]) => Inside): void {
  of[method] = make(of[method].bind(of))
}
