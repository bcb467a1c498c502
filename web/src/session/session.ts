// Who is signed in.
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'

import { api, dataOf, onSessionEnd, publicApi, tokens } from '../api/client'
import { queryClient } from '../api/query'
import type { User } from '../api/types'
import { useCart } from '../order/cart'
import { STORAGE_KEY } from '../api/tokens'

/** The profile as it was last seen, so that the menu is right from the first moment on. */
const USER_KEY = 'snack.user'

function rememberedUser(): User | null {
  try {
    const user: User | null = JSON.parse(localStorage.getItem(USER_KEY) ?? 'null')
    return user?.id === tokens.userId ? user : null
  } catch {
    return null
  }
}

export const useSession = defineStore('session', () => {
  const userId = ref(tokens.userId)
  const user = ref(rememberedUser())
  /** How the last session came to its end. */
  const ending = ref<'left' | 'expired' | null>(null)

  const isSignedIn = computed(() => userId.value !== null)
  const isAdmin = computed(() => user.value?.member_type === 'admin')

  function setUser(value: User | null): void {
    user.value = value
    if (value) localStorage.setItem(USER_KEY, JSON.stringify(value))
    else localStorage.removeItem(USER_KEY)
  }

  /** Asks the server who one is: names and roles change. */
  async function loadUser(): Promise<User> {
    const profile = await dataOf(api.GET('/auth/users/profile'))
    setUser(profile)
    return profile
  }

  async function signIn(email: string, password: string): Promise<void> {
    tokens.write(await dataOf(publicApi.POST('/auth/token', { body: { username: email, password } })))
    follow()
    await loadUser()
  }

  /** Here and on the server. Where the server cannot be reached, at least here. */
  async function signOut(): Promise<void> {
    ending.value = 'left'
    const refresh = tokens.clear()
    follow()
    if (refresh) await publicApi.POST('/auth/logout', { body: { refresh } }).catch(() => undefined)
  }

  async function resign(): Promise<void> {
    await dataOf(api.DELETE('/auth/users/resign'))
    ending.value = 'left'
    tokens.clear()
    follow()
  }

  /** Brings this tab in line with the tokens that are stored. */
  function follow(): void {
    const now = tokens.userId
    if (now === userId.value) return
    userId.value = now
    if (now !== null) ending.value = null
    // Nothing of one user's may be seen by the next.
    setUser(null)
    queryClient.clear()
    useCart().clear()
  }

  onSessionEnd(() => {
    ending.value = 'expired'
    follow()
  })
  // Another tab has signed in, out, or renewed the tokens. A null key: everything was cleared.
  window.addEventListener('storage', (event) => {
    if (event.key !== STORAGE_KEY && event.key !== null) return
    follow()
    if (isSignedIn.value && !user.value) loadUser().catch(() => undefined)
  })
  // Whoever comes back to this tab may have become an admin meanwhile, or a member.
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible' && isSignedIn.value) loadUser().catch(() => undefined)
  })

  return { user, userId, ending, isSignedIn, isAdmin, loadUser, setUser, signIn, signOut, resign }
})
