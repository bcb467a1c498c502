// What a page filters by stands in its address, so that reload, back and links keep it.
import { computed } from 'vue'
import { useRoute, useRouter, type LocationQueryRaw } from 'vue-router'

export function useAddress() {
  const router = useRouter()
  const route = useRoute()
  const { path } = route
  // The route has changed already while a page is being left: it must not take the next page's filters for its own.
  const query = computed<typeof route.query>((before) => (route.path === path || !before ? route.query : before))

  /** A parameter, if it is one of those that there are. */
  function choice<Value extends string>(name: string, values: readonly Value[], fallback: Value): Value {
    return values.find((value) => value === query.value[name]) ?? fallback
  }

  function choices<Value extends string>(name: string, values: readonly Value[]): Value[] {
    const chosen = [query.value[name]].flat()
    return values.filter((value) => chosen.includes(value))
  }

  function text(name: string): string {
    const value = query.value[name]
    return typeof value === 'string' ? value : ''
  }

  /** Changes parameters; an empty one is taken out. */
  function set(changes: LocationQueryRaw): void {
    const next: LocationQueryRaw = { ...query.value, ...changes }
    for (const name of Object.keys(next)) if (next[name] === '') delete next[name]
    void router.replace({ query: next })
  }

  return { query, choice, choices, text, set }
}
