/** What the functions that orval generates send their requests with: the server's address, the token, and a body by its type. */

export const session = { access: '' }

export async function orvalFetch<T>(path: string, init: RequestInit): Promise<T> {
  const headers = new Headers(init.headers)
  // orval names no type where a call takes JSON as well as a form.
  if (typeof init.body === 'string' && !headers.has('Content-Type')) headers.set('Content-Type', 'application/json')
  if (session.access) headers.set('Authorization', `Bearer ${session.access}`)
  const response = await fetch((process.env.BASE_URL ?? '') + path, { ...init, headers })
  const type = response.headers.get('Content-Type') ?? ''
  const read = (): Promise<unknown> => {
    if (type.endsWith('json')) return response.json()
    return type.startsWith('text/') ? response.text() : response.blob()
  }
  return { data: await read(), status: response.status, headers: response.headers } as T
}
