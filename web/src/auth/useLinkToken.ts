import { ref, type Ref } from 'vue'
import { useRoute, useRouter } from 'vue-router'

/**
 * The token of a link. It is taken out of the address at once, because addresses are copied and stay in the history. The state of
 * the history keeps it for a reload.
 */
export function useLinkToken(name: 'invitation' | 'token'): { token: Ref<string>; forget: () => void } {
  const route = useRoute()
  const router = useRouter()
  const { [name]: linked, ...query } = route.query
  const kept: unknown = history.state[name]
  const token = ref(typeof linked === 'string' ? linked : typeof kept === 'string' ? kept : '')
  if (linked !== undefined) void router.replace({ query, state: { [name]: token.value } })

  /** For a token that is used or refused. Otherwise a reload would bring it back. */
  function forget(): void {
    token.value = ''
    history.replaceState({ ...history.state, [name]: null }, '')
  }

  return { token, forget }
}
