/** Watches a `<video>`: when playback is wanted, how long it took to start, and where it stood still. */

/** What {@link PlaybackWatch} reports. */
export interface PlaybackListener {
  /** Playback is wanted: it was asked for by the page or the viewer. Once. */
  onWanted(): void;
  /** Playback stood still. `at` in seconds of media time. */
  onStall(at: number, ms: number): void;
}

/** Where playback is, for another player to go on from. */
export interface Position {
  /** Seconds of media time; 0 in a live stream, where every player has a timeline of its own. */
  time: number;
  /** Was it playing rather than paused? */
  playing: boolean;
}

/** With more than so many seconds of media ahead of it, playback does not wait for data. */
const ENOUGH_AHEAD_S = 0.5;

/** Is there so little media ahead of the playhead that it has to wait for more? */
function isShortOfData({ buffered, currentTime, duration }: HTMLVideoElement): boolean {
  for (let index = 0; index < buffered.length; index++) {
    const end = buffered.end(index);
    if (buffered.start(index) > currentTime + 0.1 || end <= currentTime) continue;
    return end - currentTime <= ENOUGH_AHEAD_S && !(end >= duration - 0.1);
  }
  return true;
}

/** Is it without an end? */
function isLive(video: HTMLVideoElement | undefined): boolean {
  return video?.duration === Number.POSITIVE_INFINITY;
}

/** Figures of one `<video>` since {@link PlaybackWatch.begin}. */
export class PlaybackWatch {
  /** Milliseconds from `begin()` to the first frame playing; `null` before it. */
  startupMs: number | null = null;
  /** Pauses of playback for lack of data. */
  stalls = 0;
  /** Milliseconds of all of them. */
  stallMs = 0;

  #video: HTMLVideoElement | undefined;
  #beganAt = performance.now();
  #stalledAt: number | undefined;
  #wanted = false;
  readonly #listener: PlaybackListener;
  readonly #events: [string, () => void][] = [
    ['play', () => this.#want()],
    ['playing', () => this.#onPlaying()],
    ['timeupdate', () => this.#onProgress()],
    ['waiting', () => this.#onWaiting()],
    ['pause', () => this.#endStall()],
    // A live player that waited too long goes on elsewhere: that makes the wait no shorter.
    ['seeking', () => (isLive(this.#video) ? this.#endStall() : this.#forgetStall())],
    ['ended', () => this.#endStall()],
    ['emptied', () => this.#forgetStall()],
  ];

  constructor(listener: PlaybackListener) {
    this.#listener = listener;
  }

  /** A source was set: start-up is measured from now. */
  begin(): void {
    this.#beganAt = performance.now();
    this.startupMs = null;
    this.#stalledAt = undefined;
  }

  /** Watches `video` from now on, in place of any other. */
  watch(video: HTMLVideoElement): void {
    this.close();
    this.#video = video;
    for (const [name, listener] of this.#events) video.addEventListener(name, listener);
    if (!video.paused || video.autoplay) this.#want();
  }

  /** Where playback is now. */
  position(): Position {
    const video = this.#video;
    return { time: video && !isLive(video) ? video.currentTime : 0, playing: !!video && !video.paused && !video.ended };
  }

  /** Stops watching. */
  close(): void {
    for (const [name, listener] of this.#events) this.#video?.removeEventListener(name, listener);
    this.#endStall();
    this.#video = undefined;
  }

  #want(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#listener.onWanted();
  }

  #onPlaying(): void {
    this.#want();
    this.startupMs ??= performance.now() - this.#beganAt;
    this.#endStall();
  }

  #onProgress(): void {
    // Some browsers resume after a stall without another `playing`.
    if (this.#stalledAt !== undefined && (this.#video?.readyState ?? 0) >= 3) this.#endStall();
  }

  #onWaiting(): void {
    const video = this.#video;
    // Before the first frame it is start-up, during a seek it is the seek, at the end it is the end.
    if (!video || this.startupMs === null || video.seeking || video.ended || video.paused) return;
    // A decoder that is short of CPU waits too, with data ahead of it: nobody delivered too late.
    if (!isShortOfData(video)) return;
    this.#stalledAt ??= performance.now();
  }

  #endStall(): void {
    if (this.#stalledAt === undefined) return;
    const ms = performance.now() - this.#stalledAt;
    this.#stalledAt = undefined;
    this.stalls += 1;
    this.stallMs += ms;
    this.#listener.onStall(this.#video?.currentTime ?? 0, ms);
  }

  #forgetStall(): void {
    this.#stalledAt = undefined;
  }
}
