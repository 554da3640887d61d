using System.Diagnostics;
using Pascl.Tests.Training.Reporting.Browser;
using Pascl.Training.Checkpoints;
using Pascl.Training.Deployment;
using Pascl.Training.Deployment.Serving;
using static Pascl.Tests.Training.Deployment.Serving.ServerRequests;

namespace Pascl.Tests.Training.Deployment.Serving;

/// <summary>The page to drop images on, in a browser.</summary>
public sealed class ServerPageBrowserTests
{
    private const int Phone = 390;

    [Test]
    public async Task on_a_phone_no_word_is_broken_many_files_go_in_several_requests_and_a_refusal_leaves_no_old_numbers()
    {
        using var browser = Chromium.Start();
        using var folder = new TemporaryFolder();
        var settings = new ServeSettings { Addresses = ["http://127.0.0.1:0"], ImageLimit = 2, BodyLimit = 20_000 };
        using var model = ScoringModel.Open(DeployedRun.Write(folder, "a-run", new ScoreThreshold("energy", 0.95, -1.1, 100)), settings.Workers);
        using var log = new StringWriter();
        await using var server = await ScoringServer.Start(model, settings with { AccessLog = log });
        using var page = browser.Open(Address(server).AbsoluteUri, Phone, 844);

        // A large one has a request of its own, and one is larger than any request may be.
        byte[][] files = [Noise(8, 1), Noise(60, 2), Noise(9, 3), "hello"u8.ToArray(), Noise(10, 4), Noise(150, 5)];
        Drop(page, files);
        Assert.That(Wait(page), Is.EqualTo("4 image(s) scored, 2 could not be read."));
        var requests = log.ToString().Split('\n').Count(line => line.Contains("\"POST\"", StringComparison.Ordinal));
        Assert.Multiple(() =>
        {
            Assert.That(requests, Is.EqualTo(3), log.ToString());
            Assert.That(page.Evaluate<int>("document.querySelectorAll('tbody tr').length"), Is.EqualTo(files.Length));
            Assert.That(page.Evaluate<int>("document.querySelectorAll('td.accepted, td.rejected').length"), Is.EqualTo(4));
            Assert.That(page.Evaluate<string>("document.getElementById('model').textContent"), Does.StartWith("a-run: 5 classes, Pascl "));
            Assert.That(page.Evaluate<int>("document.documentElement.scrollWidth"), Is.LessThanOrEqualTo(Phone));
            Assert.That(page.Texts(BrokenWords), Is.Empty);
            Assert.That(page.Complaints, Is.Empty);
        });
        if (Environment.GetEnvironmentVariable("PASCL_SCREENSHOT") is { } path)
        {
            File.WriteAllBytes(path, page.Screenshot());
        }

        await using var closed = await ScoringServer.Start(model, settings with { Keys = ApiKeys.Read(folder.Write("keys", "a-key-of-this-server")) });
        using var locked = browser.Open(Address(closed).AbsoluteUri, Phone, 844);
        Drop(locked, [Noise(8, 1)]);
        Assert.That(Wait(locked), Does.StartWith("No answer: An API key of this server is needed"));
        Assert.That(locked.Evaluate<bool>("document.querySelector('table').hidden && !document.getElementById('ask').hidden"));
        locked.Evaluate<bool>("document.getElementById('key').value = 'a-key-of-this-server', document.getElementById('again').click(), true");
        Assert.That(Wait(locked), Is.EqualTo("1 image(s) scored."));
    }

    // A word of more than one line, but in names of files.
    private const string BrokenWords = """
        (() => {
          const found = [];
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          for (let node; node = walker.nextNode();) {
            if (node.parentElement.closest('td.file, thead')) continue;
            for (const word of node.data.matchAll(/\S+/g)) {
              const range = document.createRange();
              range.setStart(node, word.index);
              range.setEnd(node, word.index + word[0].length);
              if (new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1) found.push(word[0]);
            }
          }
          return found;
        })()
        """;

    private static void Drop(BrowserPage page, byte[][] files)
    {
        var list = string.Join(',', files.Select((file, i) => $"['{(i == 1 ? new string('a', 80) : $"image {i}")}.png', '{Convert.ToBase64String(file)}']"));
        page.Evaluate<bool>($$"""
            (() => {
              const data = new DataTransfer();
              for (const [name, text] of [{{list}}]) data.items.add(new File([Uint8Array.from(atob(text), letter => letter.charCodeAt(0))], name));
              const input = document.getElementById('files');
              input.files = data.files;
              input.dispatchEvent(new Event('change'));
              return true;
            })()
            """);
    }

    private static string Wait(BrowserPage page)
    {
        for (var start = Stopwatch.GetTimestamp(); ; Thread.Sleep(50))
        {
            var text = page.Evaluate<string>("document.getElementById('status').textContent");
            if (text.Length > 0 && !text.StartsWith("Scoring", StringComparison.Ordinal))
            {
                return text;
            }

            Assert.That(Stopwatch.GetElapsedTime(start), Is.LessThan(TimeSpan.FromSeconds(20)), text);
        }
    }
}
