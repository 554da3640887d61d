using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Pascl.Training.Deployment.Serving;

/// <summary>What a server answers from files of this program: a plain page to drop images on, which loads nothing from elsewhere, and the description of the API.</summary>
internal static class ServerPage
{
    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    /// <summary>Adds the files.</summary>
    public static void Map(WebApplication app)
    {
        MapFile(app, "/", "page.html", "text/html; charset=utf-8");
        MapFile(app, "/page.js", "page.js", "text/javascript; charset=utf-8");
        MapFile(app, "/page.css", "page.css", "text/css; charset=utf-8");
        MapFile(app, "/openapi.json", "openapi.json", "application/json");
    }

    private static void MapFile(WebApplication app, string path, string name, string type)
    {
        using var stream = typeof(ServerPage).Assembly.GetManifestResourceStream($"serving/{name}")
            ?? throw new InvalidOperationException($"The program was built without {name}.");
        var content = new byte[stream.Length];
        stream.ReadExactly(content);
        app.MapRead(path, (HttpContext context) =>
        {
            context.Response.Headers.ContentSecurityPolicy = Policy;
            return Results.Bytes(content, type);
        });
    }
}
