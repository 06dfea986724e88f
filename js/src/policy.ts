/** Decides what `"auto"` means on this viewer's link and battery, and watches both. */

interface NetworkInformation extends EventTarget {
  saveData?: boolean;
  type?: string;
}

interface BatteryManager extends EventTarget {
  level: number;
  charging: boolean;
}

/** The parts of `navigator` that the decision is made of; either may be missing. */
export interface PolicySources {
  connection?: NetworkInformation | undefined;
  getBattery?: (() => Promise<BatteryManager>) | undefined;
}

/** Below this part of a full battery, one that is not charging is spared. */
const LOW_BATTERY = 0.2;

/** Whether the viewer's link and battery allow what `"auto"` stands for. */
export class LinkPolicy {
  #connection: NetworkInformation | undefined;
  #battery: BatteryManager | undefined;
  #closed = false;
  readonly #changed: () => void;

  /** @param onChange  called whenever the decision may have changed */
  constructor(onChange: () => void, sources: PolicySources = navigatorSources()) {
    let last = true;
    this.#changed = () => {
      if (this.allows === last) return;
      last = this.allows;
      onChange();
    };
    this.#connection = sources.connection;
    last = this.allows;
    this.#connection?.addEventListener('change', this.#changed);
    sources.getBattery?.().then(
      (battery) => this.#watchBattery(battery),
      // Refused by a permissions policy: then the battery has no say.
      () => {},
    );
  }

  /** Is the link unmetered and the battery not low? What a browser does not tell counts as fine. */
  get allows(): boolean {
    const metered = this.#connection?.saveData === true || this.#connection?.type === 'cellular';
    const low = this.#battery !== undefined && !this.#battery.charging && this.#battery.level < LOW_BATTERY;
    return !metered && !low;
  }

  /** The boolean that a switch stands for now. */
  resolve(value: 'on' | 'off' | 'auto'): boolean {
    return value === 'auto' ? this.allows : value === 'on';
  }

  /** Stops watching. */
  close(): void {
    this.#closed = true;
    this.#connection?.removeEventListener('change', this.#changed);
    this.#battery?.removeEventListener('levelchange', this.#changed);
    this.#battery?.removeEventListener('chargingchange', this.#changed);
  }

  #watchBattery(battery: BatteryManager): void {
    if (this.#closed) return;
    this.#battery = battery;
    battery.addEventListener('levelchange', this.#changed);
    battery.addEventListener('chargingchange', this.#changed);
    this.#changed();
  }
}

function navigatorSources(): PolicySources {
  if (typeof navigator === 'undefined') return {};
  const source = navigator as Navigator & PolicySources;
  return { connection: source.connection, getBattery: source.getBattery?.bind(source) };
}
