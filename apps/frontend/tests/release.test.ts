import { describe, expect, test } from "vitest";
import { accentHue } from "../src/accent";
import { followed, type Look, nothingSeen, shortName, sightingIn } from "../src/release";

const sighted = (release: string, label = "", at = 1): Look => ({
  kind: "sighted",
  sighting: { release, label, service: "api", version: "1" },
  at,
});

function given(...looks: readonly Look[]) {
  return looks.reduce(followed, nothingSeen);
}

describe("following the release", () => {
  test("what the page met first is no news", () => {
    expect(given(sighted("a"), sighted("a")).notice).toBeNull();
  });

  test("a release that took over is noticed once, until it is put aside", () => {
    const noticed = given(sighted("a"), sighted("b", "green"));
    expect(noticed.notice).toMatchObject({ release: "b", label: "green" });
    const aside = followed(noticed, { kind: "put aside" });
    expect(followed(aside, sighted("b", "green")).notice).toBeNull();
  });

  test("a rollback is a change as well, and each change stays in the list", () => {
    const back = given(sighted("a"), sighted("b"), sighted("a"));
    expect(back.notice?.release).toBe("a");
    expect(back.seen.map((entry) => entry.release)).toEqual(["a", "b", "a"]);
  });

  test("an answer's header is enough to notice it; the label comes with the next look", () => {
    const named = given(sighted("a", "blue"), { kind: "named", release: "b", at: 2 });
    expect(named.notice).toMatchObject({ release: "b", label: null });
    expect(followed(named, sighted("b", "green")).notice).toMatchObject({ release: "b", label: "green" });
  });

  test("a label that changes alone, as by an override of one setting, is noticed too", () => {
    const noticed = given(sighted("a", "blue"), sighted("a", "green"));
    expect(noticed.notice).toMatchObject({ release: "a", label: "green" });
    expect(noticed.seen).toHaveLength(2);
  });

  test("an answer of the release that is known changes nothing", () => {
    const known = given(sighted("a", "blue"));
    expect(followed(known, { kind: "named", release: "a", at: 2 })).toEqual(known);
  });

  test("an answer without the header says nothing about the release", () => {
    const known = given(sighted("a"));
    expect(followed(known, { kind: "named", release: "", at: 2 })).toBe(known);
  });

  test("while nobody answers, the last known release stays; the next answer ends it", () => {
    const lost = given(sighted("a"), { kind: "unreachable" });
    expect(lost).toMatchObject({ reachable: false, notice: null, live: { release: "a" } });
    expect(followed(lost, sighted("a"))).toMatchObject({ reachable: true, notice: null });
  });
});

test("the edge's header goes before what the backend believes", () => {
  expect(sightingIn({ release: "old", label: "x" }, "new")).toMatchObject({ release: "new", label: "x" });
  expect(sightingIn({ release: null }, null)).toMatchObject({ release: "" });
  expect(sightingIn("<!doctype html>", null)).toBeNull();
});

test("a digest is shortened, a name is not", () => {
  expect(shortName("sha256:3f9ac2d100112233445566778899aabb")).toBe("3f9ac2d1");
  expect(shortName("spring-2")).toBe("spring-2");
});

test("labels have a colour of their own; a colour's name has that colour", () => {
  expect(accentHue("v2 Green")).toBe(accentHue("green"));
  expect(accentHue("green")).not.toBe(accentHue("blue"));
  expect(accentHue("green")).not.toBe(accentHue(""));
  const hues = ["v1", "v2", "v3", "v4"].map(accentHue);
  expect(new Set(hues).size).toBe(4);
  expect(hues.every((hue) => hue >= 0 && hue < 360)).toBe(true);
});
