// The parts of the frame that only signed-in users see. They are loaded with `signedIn.ts`.
import { defineAsyncComponent, type Component } from 'vue'

export function signedInPart(name: 'CartFrame' | 'CartSkipLink' | 'HeaderLinks' | 'LiveNotice'): Component {
  return defineAsyncComponent(async () => (await import('./signedIn'))[name])
}
