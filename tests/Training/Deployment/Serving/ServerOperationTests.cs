using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using Pascl.Training;
using Pascl.Training.Deployment.Serving;
using static Pascl.Tests.Training.Deployment.Serving.ServerRequests;

namespace Pascl.Tests.Training.Deployment.Serving;

/// <summary>What who runs a server needs of it: readiness, log, keys, names, descriptions.</summary>
public sealed class ServerOperationTests : ServerFixture
{
    private const string Key = "0123456789abcdef-key";
    private static readonly ServeSettings settings = new() { Addresses = ["http://127.0.0.1:0"] };
    private static readonly string[] read = ["/healthz", "/readyz", "/metrics", "/v1/model", "/openapi.json", "/", "/page.js", "/page.css"];

    [Test]
    public async Task head_is_answered_as_get_without_the_body()
    {
        await using var server = await ScoringServer.Start(Model, settings);
        foreach (var path in read)
        {
            using var get = await Client.GetAsync(new Uri(Address(server), path));
            using var request = new HttpRequestMessage(HttpMethod.Head, new Uri(Address(server), path));
            using var head = await Client.SendAsync(request);
            Assert.Multiple(async () =>
            {
                Assert.That((get.StatusCode, head.StatusCode), Is.EqualTo((HttpStatusCode.OK, HttpStatusCode.OK)), path);
                Assert.That(head.Content.Headers.ContentType, Is.EqualTo(get.Content.Headers.ContentType), path);
                Assert.That(await head.Content.ReadAsStringAsync(), Is.Empty, path);
            });
        }
    }

    [Test]
    public async Task a_draining_server_is_not_ready_but_healthy_and_answers()
    {
        await using var server = await ScoringServer.Start(Model, settings with { Drain = TimeSpan.FromSeconds(1) });
        Assert.That(await Client.GetStringAsync(new Uri(Address(server), "readyz")), Is.EqualTo("ok\n"));
        var drained = server.Drain();
        using var ready = await Client.GetAsync(new Uri(Address(server), "readyz"));
        using var healthy = await Client.GetAsync(new Uri(Address(server), "healthz"));
        Assert.That((ready.StatusCode, healthy.StatusCode), Is.EqualTo((HttpStatusCode.ServiceUnavailable, HttpStatusCode.OK)));
        Assert.That((await Client.Score(server, Body(Noise(8, 1)))).Code, Is.EqualTo(HttpStatusCode.OK));
        await drained;
    }

    [Test]
    public async Task every_request_is_a_line_of_the_log_under_the_id_that_its_sender_gave_or_gets()
    {
        using var lines = new StringWriter();
        await using (var server = await ScoringServer.Start(Model, settings with { AccessLog = lines }))
        {
            byte[] image = Noise(8, 1), other = Noise(9, 2);
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Address(server), "score?secret=1")) { Content = Form(image, other) };
            request.Headers.Add("X-Request-Id", "my-request.1");
            using var answer = await Client.SendAsync(request);
            Assert.That(answer.Headers.GetValues("X-Request-Id"), Is.EqualTo(["my-request.1"]));
            using var wrong = await Client.GetAsync(new Uri(Address(server), "no\"thing"));
            Assert.That(wrong.Headers.GetValues("X-Request-Id").Single(), Is.Not.Empty);
        }

        var entries = lines.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement).ToArray();
        Assert.Multiple(() =>
        {
            Assert.That(entries, Has.Length.EqualTo(2));
            Assert.That(
                entries[0].EnumerateObject().Select(field => field.Name),
                Is.EqualTo(["time", "id", "method", "path", "status", "milliseconds", "bytes", "images"]));
            Assert.That(entries[0].GetProperty("time").GetDateTime(), Is.EqualTo(DateTime.UtcNow).Within(TimeSpan.FromMinutes(2)));
            Assert.That(entries[0].GetProperty("id").GetString(), Is.EqualTo("my-request.1"));
            Assert.That(entries[0].GetProperty("path").GetString(), Is.EqualTo("/score"));
            Assert.That(entries[0].GetProperty("images").GetInt32(), Is.EqualTo(2));
            Assert.That(entries[0].GetProperty("bytes").GetInt64(), Is.EqualTo(Noise(8, 1).Length + Noise(9, 2).Length));
            Assert.That(entries[1].GetProperty("status").GetInt32(), Is.EqualTo(404));
            Assert.That(entries[1].GetProperty("path").GetString(), Is.EqualTo("/no\"thing"));
        });
    }

    [Test]
    public async Task with_keys_only_who_has_one_is_answered()
    {
        var keys = ApiKeys.Read(Folder.Write("keys", $"another-key-of-old-times\n\n {Key} \n"));
        await using var server = await ScoringServer.Start(Model, settings with { Keys = keys });
        (string? Name, string Value, int Code)[] cases =
        [
            (null, "", 401), ("Authorization", $"Bearer {Key}", 200), ("Authorization", "Bearer another-key-of-old-times", 200), ("X-API-Key", Key, 200),
            ("X-API-Key", $"{Key}x", 401), ("Authorization", $"Basic {Key}", 401), ("Authorization", "Bearer ", 401),
        ];
        foreach (var (name, value, code) in cases)
        {
            foreach (var path in (string[])["score", "v1/model", "metrics", "METRICS"])
            {
                using var request = new HttpRequestMessage(path == "score" ? HttpMethod.Post : HttpMethod.Get, new Uri(Address(server), path));
                request.Content = path == "score" ? Body(Noise(8, 1)) : null;
                if (name is not null)
                {
                    request.Headers.TryAddWithoutValidation(name, value);
                }

                using var answer = await Client.SendAsync(request);
                Assert.That((int)answer.StatusCode, Is.EqualTo(code), $"{path} {name}: {value}");
                Assert.That(answer.Headers.WwwAuthenticate.Count, Is.EqualTo(code == 401 ? 1 : 0));
            }
        }

        foreach (var path in read.Except(["/v1/model", "/metrics"]))
        {
            Assert.That((await Client.GetAsync(new Uri(Address(server), path))).StatusCode, Is.EqualTo(HttpStatusCode.OK), path);
        }
    }

    [TestCase("", "has no API key")]
    [TestCase("short\n", "shorter than 16 characters")]
    [TestCase("long enough but with spaces\n", "others than visible ASCII")]
    public void a_file_of_bad_keys_is_refused(string content, string expected) =>
        Assert.That(() => ApiKeys.Read(Folder.Write("bad-keys", content)), Throws.TypeOf<InputException>().With.Message.Contains(expected));

    [TestCase("localhost", 200)]
    [TestCase("LOCALHOST:80", 200)]
    [TestCase("127.0.0.1:9", 200)]
    [TestCase("[::1]:9", 200)]
    [TestCase("evil.example", 421)]
    [TestCase("127.0.0.1.evil.example", 421)]
    public async Task a_server_for_this_machine_alone_answers_to_no_other_name(string host, int code)
    {
        await using var server = await ScoringServer.Start(Model, settings with { Hosts = HostNames.Usual(settings.Addresses) });
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Address(server), "v1/model")) { Headers = { Host = host } };
        using var answer = await Client.SendAsync(request);
        Assert.That((int)answer.StatusCode, Is.EqualTo(code));
    }

    [Test]
    public void names_of_a_server_are_those_of_this_machine_where_only_it_can_call_and_any_otherwise()
    {
        Assert.That(HostNames.Usual(["http://127.0.0.1:1"]), Is.EqualTo(["localhost", "127.0.0.1", "[::1]"]));
        Assert.That(HostNames.Usual(["http://127.0.0.1:1", "http://0.0.0.0:1"]), Is.Null);
        Assert.That(HostNames.Parse("*"), Is.Null);
        Assert.That(HostNames.Parse("a.example; 10.0.0.5"), Is.EqualTo(["a.example", "10.0.0.5"]));
        Assert.That(() => HostNames.Parse("http://a.example"), Throws.TypeOf<InputException>().With.Message.Contains("without scheme and port"));
        Assert.That(() => HostNames.Parse(";"), Throws.TypeOf<InputException>());
    }

    [Test]
    public async Task the_model_is_described_by_its_answer_and_by_the_metrics()
    {
        await using var server = await ScoringServer.Start(Model, settings);
        using var json = JsonDocument.Parse(await Client.GetStringAsync(new Uri(Address(server), "v1/model")));
        var root = json.RootElement;
        using var run = Run.Open(Path.Combine(Folder.Path, "run"));
        var hash = Pascl.Training.Networks.WeightHash.Of(run.Network);
        Assert.Multiple(() =>
        {
            Assert.That(root.GetProperty("name").GetString(), Is.EqualTo("run"));
            Assert.That(root.GetProperty("classes").EnumerateArray().Select(name => name.GetString()), Is.EqualTo(DeployedRun.ClassNames));
            Assert.That(root.GetProperty("threshold").GetDouble(), Is.EqualTo(-1.1));
            Assert.That(root.GetProperty("score_name").GetString(), Is.EqualTo("energy"));
            Assert.That(root.GetProperty("image_size").GetInt32(), Is.EqualTo(8));
            Assert.That(root.GetProperty("weights_sha256").GetString(), Is.EqualTo(hash));
            Assert.That(root.GetProperty("version").GetString(), Does.Match(@"^\d+\.\d+\.\d+"));
            Assert.That(root.GetProperty("engine").GetString(), Is.EqualTo("libtorch"));
            Assert.That(root.GetProperty("limits").GetProperty("max_images").GetInt32(), Is.EqualTo(settings.ImageLimit));
        });
        var metrics = await Client.GetStringAsync(new Uri(Address(server), "metrics"));
        Assert.That(metrics, Does.Contain($"weights_sha256=\"{hash}\"}} 1").And.Contain("pascl_decoding_pixels 0").And.Contain("pascl_requests_in_flight 0"));
    }

    [Test]
    public async Task the_description_of_the_api_names_every_path_and_field_that_there_is()
    {
        await using var server = await ScoringServer.Start(Model, settings);
        using var document = JsonDocument.Parse(await Client.GetStringAsync(new Uri(Address(server), "openapi.json")));
        var paths = document.RootElement.GetProperty("paths").EnumerateObject().ToArray();
        Assert.That(paths.Select(path => path.Name), Is.EquivalentTo(read.Except(["/page.js", "/page.css"]).Append("/score")));
        using var answer = JsonDocument.Parse(await Client.GetStringAsync(new Uri(Address(server), "v1/model")));
        Assert.That(Fields(document, "Model"), Is.EquivalentTo(answer.RootElement.EnumerateObject().Select(field => field.Name)));
        using var score = JsonDocument.Parse((await Client.Score(server, Form(Noise(8, 1), [1]))).Text);
        Assert.That(Fields(document, "Answer"), Is.EquivalentTo(score.RootElement.EnumerateObject().Select(field => field.Name)));
        var images = score.RootElement.GetProperty("images").EnumerateArray().SelectMany(image => image.EnumerateObject()).Select(field => field.Name).Distinct();
        Assert.That(Fields(document, "Image"), Is.EquivalentTo(images));
        var references = Regex.Matches(document.RootElement.GetRawText(), "\"#/components/(\\w+)/(\\w+)\"").Select(match => (match.Groups[1].Value, match.Groups[2].Value));
        Assert.That(references, Is.All.Matches<(string Kind, string Name)>(
            reference => document.RootElement.GetProperty("components").GetProperty(reference.Kind).TryGetProperty(reference.Name, out _)));
    }

    [TestCase(SocketError.AddressNotAvailable, "this machine has no such address")]
    [TestCase(SocketError.AccessDenied, "permission denied. Ports below 1024")]
    [TestCase(SocketError.AddressAlreadyInUse, "address already in use")]
    [TestCase(SocketError.AddressFamilyNotSupported, "no network of that kind")]
    [TestCase(SocketError.Fault, "Cannot listen on http://a:1: ")]
    public void what_keeps_a_server_from_listening_is_said_in_a_sentence(SocketError error, string expected)
    {
        Assert.That(ListenAddress.Explain(new SocketException((int)error), ["http://a:1"]), Does.StartWith("Cannot listen on http://a:1").And.Contain(expected));
        Assert.That(ListenAddress.Explain(new IOException("x", new IOException("y", new SocketException((int)error))), ["http://a:1"]), Does.Contain(expected));
        Assert.That(ListenAddress.Explain(new InvalidOperationException(), []), Is.Null);
    }

    private static IEnumerable<string> Fields(JsonDocument document, string schema) =>
        document.RootElement.GetProperty("components").GetProperty("schemas").GetProperty(schema).GetProperty("properties").EnumerateObject().Select(field => field.Name);
}
