// The filters of a page are query parameters of its address, so that reload, back and links keep them.
import { computed, toValue, type MaybeRefOrGetter } from 'vue'
import { useRoute, useRouter, type LocationQueryRaw } from 'vue-router'

export function useQueryState() {
  const router = useRouter()
  const route = useRoute()
  const { path } = route
  // While a page is being left, the route already has the next page's parameters.
  const query = computed<typeof route.query>((before) => (route.path === path || !before ? route.query : before))

  /** Changes parameters and removes empty ones. */
  function set(changes: LocationQueryRaw): void {
    const next: LocationQueryRaw = { ...query.value, ...changes }
    for (const name of Object.keys(next)) if (next[name] === '') delete next[name]
    void router.replace({ query: next })
  }

  /** A parameter with one of `values`. The fallback is left out of the address. */
  function choice<Value extends string>(name: string, values: readonly Value[], fallback: MaybeRefOrGetter<Value>) {
    return computed<Value>({
      get: () => values.find((value) => value === query.value[name]) ?? toValue(fallback),
      set: (value) => set({ [name]: value === toValue(fallback) ? '' : value }),
    })
  }

  /** A parameter with any of `values`. */
  function choices<Value extends string>(name: string, values: readonly Value[]) {
    return computed<Value[]>({
      get: () => values.filter((value) => [query.value[name]].flat().includes(value)),
      set: (chosen) => set({ [name]: chosen.length > 0 ? chosen : '' }),
    })
  }

  function flag(name: string) {
    return computed<boolean>({
      get: () => query.value[name] === 'true',
      set: (isSet) => set({ [name]: isSet ? 'true' : '' }),
    })
  }

  function text(name: string) {
    return computed<string>({
      get: () => (typeof query.value[name] === 'string' ? query.value[name] : ''),
      set: (value) => set({ [name]: value }),
    })
  }

  return { query, set, choice, choices, flag, text }
}

export type QueryState = ReturnType<typeof useQueryState>
