using System.Text.Json.Nodes;

namespace Pascl.Tests.Training.Reporting.Browser;

/// <summary>A tab of <see cref="Chromium"/>.</summary>
internal sealed class BrowserPage(Chromium browser, string session, string target) : IDisposable
{
    /// <summary>Loads a file, or an address of http.</summary>
    public void Load(string path, int width, int height, bool dark)
    {
        foreach (var domain in (string[])["Page", "Runtime", "Log", "Network"])
        {
            Send($"{domain}.enable");
        }

        Send("Emulation.setDeviceMetricsOverride", new() { ["width"] = width, ["height"] = height, ["deviceScaleFactor"] = 1, ["mobile"] = width < 600 });
        var scheme = new JsonObject { ["name"] = "prefers-color-scheme", ["value"] = dark ? "dark" : "light" };
        Send("Emulation.setEmulatedMedia", new() { ["features"] = new JsonArray(scheme) });
        Send("Page.navigate", new() { ["url"] = path.StartsWith("http://", StringComparison.Ordinal) ? path : new Uri(Path.GetFullPath(path)).AbsoluteUri });
        browser.WaitFor("Page.loadEventFired", session);
    }

    /// <summary>What went wrong: exceptions, console messages, and entries of the browser's log such as a blocked resource.</summary>
    public IReadOnlyList<string> Complaints =>
    [
        .. browser.Events(session)
            .Where(message => (string?)message["method"] is "Runtime.exceptionThrown" or "Runtime.consoleAPICalled" or "Log.entryAdded")
            .Select(message => message["params"]!.ToJsonString()),
    ];

    /// <summary>Addresses of everything that was asked for, the page itself first.</summary>
    public IReadOnlyList<string> Requests =>
    [
        .. browser.Events(session)
            .Where(message => (string?)message["method"] == "Network.requestWillBeSent")
            .Select(message => (string)message["params"]!["request"]!["url"]!),
    ];

    /// <summary>The value of a JavaScript expression.</summary>
    public T Evaluate<T>(string expression)
    {
        var result = Send("Runtime.evaluate", new() { ["expression"] = expression, ["returnByValue"] = true });
        Assert.That(result["exceptionDetails"]?.ToJsonString(), Is.Null, expression);
        return result["result"]!["value"]!.GetValue<T>();
    }

    /// <summary>The value of a JavaScript expression that is a list of texts.</summary>
    public string[] Texts(string expression) => Evaluate<string>($"({expression}).join('\\n')").Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Presses a key.</summary>
    public void Press(string key, int code)
    {
        foreach (var type in (string[])["keyDown", "keyUp"])
        {
            var press = new JsonObject { ["type"] = type, ["key"] = key, ["code"] = key, ["windowsVirtualKeyCode"] = code };
            if (key == "Enter" && type == "keyDown")
            {
                press["text"] = "\r";
            }

            Send("Input.dispatchKeyEvent", press);
        }
    }

    /// <summary>The whole page as PNG.</summary>
    public byte[] Screenshot() => Convert.FromBase64String(
        (string)Send("Page.captureScreenshot", new() { ["format"] = "png", ["captureBeyondViewport"] = true })["data"]!);

    public void Dispose() => browser.Send("Target.closeTarget", new() { ["targetId"] = target });

    private JsonNode Send(string method, JsonObject? parameters = null) => browser.Send(method, parameters, session);
}
